"""The order in which files of tests begin: the two stories take minutes each, and last they would keep one core waiting."""

import pytest

STORIES = ("test_assistant.py", "test_story.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name not in STORIES)

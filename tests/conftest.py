"""What holds for the whole run: the order in which files begin, and that collecting is paid for once.

The two stories take minutes each, and last they would keep one core waiting.
"""

import gc
from collections.abc import Generator

import pytest

STORIES = ("test_assistant.py", "test_story.py")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Everything imported while collecting stays until the end, so the garbage collector need never look at it again.

    With 800 MB of it each full collection took half a second of CPU, in whatever test happened to cause one.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name not in STORIES)

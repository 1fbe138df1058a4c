"""What holds for the whole run: the order in which files begin, and that collecting is paid for once.

A file is one process's work: one that takes long and comes last would keep the other cores waiting.
"""

import gc
from collections.abc import Generator

import pytest
from hypothesis import settings

LONGEST = (  # files of 20 s of CPU and more, the longest first
    "test_assistant.py",
    "test_story.py",
    "test_docs_examples.py",
    "test_release_rebuild_four.py",
    "test_cli_eval.py",
    "test_pipeline_model.py",
    "test_operate_serving.py",
    "test_release_rebuild.py",
    "test_cli_step.py",
    "test_cli_faults.py",
    "test_deploy_states_flights.py",
    "test_cli_score.py",
)

# how long an example takes says how busy the machine is, and nothing of what is tested
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Everything imported while collecting stays until the end, so the garbage collector need never look at it again.

    With 800 MB of it each full collection took half a second of CPU, in whatever test happened to cause one.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.name, len(LONGEST)))

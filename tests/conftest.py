"""What holds for the whole run: the order in which files begin, and that collecting is paid for once.

A file is one process's work: one that takes long and comes last would keep the other cores waiting.
"""

import gc
from collections.abc import Generator

import pytest
from hypothesis import settings

LONGEST = (  # the forty that take most CPU, children included; the longest first, the last of them 7 s
    "test_assistant.py",
    "test_story.py",
    "test_docs_examples.py",
    "test_cli_eval.py",
    "test_release_rebuild_four.py",
    "test_operate_arms.py",
    "test_store_relocate.py",
    "test_monitor_watch.py",
    "test_operate_functions.py",
    "test_cli_score.py",
    "test_operate_pinned.py",
    "test_deploy_image.py",
    "test_protocols_life.py",
    "test_cli_team.py",
    "test_cli_errors.py",
    "test_cli_step.py",
    "test_cli_data.py",
    "test_cli_policy.py",
    "test_cli_faults.py",
    "test_deploy_ci.py",
    "test_cli_bisect.py",
    "test_gateway_bounds.py",
    "test_cli_why.py",
    "test_data_many.py",
    "test_deploy_argo.py",
    "test_operate_processes.py",
    "test_deploy_states_run.py",
    "test_operate_serving.py",
    "test_deploy_states_engine.py",
    "test_web_browser.py",
    "test_release_rebuild.py",
    "test_pipeline_model.py",
    "test_gateway_budget.py",
    "test_cli_postgres.py",
    "test_store_bucket.py",
    "test_data_sql.py",
    "test_data_in_place.py",
    "test_protocols_grpc_life.py",
    "test_release_registry.py",
    "test_data_remote_faults.py",
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

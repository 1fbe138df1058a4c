"""What a compiler is given."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from shipway.deploy import SecretLiteral, Subject
from shipway.deploy._text import check_secrets, json_text, yaml_text
from shipway.pipeline import PipelineMalformed

pytest_plugins = ["deploy_fixtures"]

STEPS = """
def months() -> list: ...
def score(month: str, months: list) -> dict: ...
def good(score: list) -> bool: ...
def publish(score: list) -> dict: ...
"""


def test_tasks_come_after_what_they_need_by_argument_list_and_condition(make_project: Callable[[str, str], Subject]) -> None:
    subject = make_project("steps: {publish: {when: good, retries: 2}}\nparameters: {month: jan}\n", STEPS)
    assert subject.workload is not None
    tasks = {task.name: task for task in subject.workload.tasks}
    assert [task.name for task in subject.workload.tasks] == ["months", "score", "good", "publish"]
    assert tasks["publish"].needs == ("score", "good")
    assert tasks["publish"].options.retries == 2


def test_the_flights_project_is_a_pipeline_and_a_predictor(flights: Subject) -> None:
    assert flights.workload is not None
    assert [task.name for task in flights.workload.tasks] == ["examples", "train", "reference", "delay"]
    (service,) = flights.services
    assert (service.kind, service.model, service.ref) == ("predictor", "delay", "deploy/delay@prod")


def test_the_assistant_project_is_a_gateway_with_the_names_of_its_secrets(assistant: Subject) -> None:
    assert assistant.workload is None
    (service,) = assistant.services
    assert (service.kind, service.model, service.secrets) == ("gateway", None, ("ASSISTANT_KEY",))


def test_steps_that_wait_for_each_other_are_refused(make_project: Callable[[str, str], Subject]) -> None:
    with pytest.raises(PipelineMalformed, match="circle"):
        make_project("steps: {a: {when: b}}\n", "def a() -> bool: ...\ndef b(a: bool) -> bool: ...\n")


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-abcdefghijklmnop1234",
        "AKIAIOSFODNN7EXAMPLE",
        "postgresql://me:hunter2@db.example.com/x",
        "-----BEGIN PRIVATE KEY-----",
    ],
)
def test_what_looks_like_a_secret_is_refused_by_its_line_and_never_repeated(secret: str) -> None:
    with pytest.raises(SecretLiteral) as caught:
        check_secrets({"a.yaml": f"x: 1\nkey: {secret}\n"})
    assert caught.value.where == "a.yaml:2"
    assert secret not in caught.value.render()


def test_references_to_secrets_are_no_secrets() -> None:
    check_secrets(
        {"a": "value: ${CATALOGUE}\nurl: postgresql://${USER}:${PASSWORD}@db/x\nimage: registry.example.com:5000/a@sha256:1f"}
    )


def test_text_has_one_form() -> None:
    shared = {"b": 1}
    text = yaml_text([{"z": shared, "a": shared, "s": "yes", "t": "two\nlines\n"}, {"k": "v"}], target="x")
    assert text.endswith("z:\n  b: 1\na:\n  b: 1\ns: 'yes'\nt: |\n  two\n  lines\n---\nk: v\n")
    assert json_text({"z": 1, "a": "é"}) == '{\n  "z": 1,\n  "a": "é"\n}\n'

"""The sections `steps`, `schedule` and `targets`: what they take, and each mistake at its place."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.kernel.canonical import Json
from shipway.spec import Condition, Each, Spec, SpecMalformed, StepSpec, parse_cron, parse_spec

HEAD = "project: flights\npipeline: flights.py\n"


def spec(text: str) -> Spec:
    return parse_spec(HEAD + text, path="shipway.yaml")


def refusal(text: str) -> SpecMalformed:
    with pytest.raises(SpecMalformed) as caught:
        spec(text)
    return caught.value


def test_a_step_has_its_options() -> None:
    step = spec("steps:\n  fit: {retries: 2, timeout: 30m, cpu: 0.5, memory: 4Gi, gpu: 1, group: train}\n").steps["fit"]
    assert step == StepSpec(name="fit", retries=2, timeout=1800.0, cpu=0.5, memory=4 * 2**30, gpu=1, group="train")  # type: ignore[arg-type]


def test_a_step_is_repeated_over_a_list() -> None:
    assert spec("steps: {score: {each: {month: months}}}\n").steps["score"].each == Each(argument="month", source="months")


@pytest.mark.parametrize(
    ("text", "operator", "literal"),
    [
        ("good", "==", True),
        ("good == false", "==", False),
        ("auc >= 0.7", ">=", 0.7),
        ("n>3", ">", 3),
        ("verdict == pass", "==", "pass"),
        ("verdict != 'in doubt'", "!=", "in doubt"),
    ],
)
def test_a_condition_is_a_name_and_a_comparison(text: str, operator: str, literal: Any) -> None:
    condition = spec(f'steps: {{publish: {{when: "{text}"}}}}\n').steps["publish"].when
    assert condition is not None
    assert (condition.operator, condition.literal, type(condition.literal)) == (operator, literal, type(literal))


PLAIN: st.SearchStrategy[Any] = st.booleans() | st.integers(-5, 5) | st.floats(-5, 5) | st.sampled_from(["a", "b", "1", "true"])


@given(PLAIN, PLAIN)
def test_exactly_one_of_equal_and_unequal_holds(value: Json, literal: Any) -> None:
    equal, unequal = (Condition(step="s", operator=op, literal=literal).holds(value) for op in ("==", "!="))
    assert equal != unequal


@given(PLAIN, PLAIN)
def test_values_of_two_kinds_are_in_no_order(value: Json, literal: Any) -> None:
    holds = [Condition(step="s", operator=op, literal=literal).holds(value) for op in ("<", ">=", ">", "<=")]
    number = [isinstance(item, int | float) and not isinstance(item, bool) for item in (value, literal)]
    comparable = all(number) or (isinstance(value, str) and isinstance(literal, str))
    assert (holds[0] != holds[1] and holds[2] != holds[3]) if comparable else not any(holds)


@pytest.mark.parametrize(
    ("text", "what", "where"),
    [
        ("steps: {fit: {retries: -1}}", "retries of step fit is a whole number", "3:24"),
        ("steps: {fit: {retries: 21}}", "step fit is tried 22 times", "3:24"),
        ("steps: {fit: {timeout: soon}}", "timeout of step fit is a duration", "3:24"),
        ("steps: {fit: {memory: 4GB}}", "memory of step fit is not '4GB'", "3:23"),
        ("steps: {fit: {cpu: 0}}", "cpu of step fit is '0'", "3:20"),
        ("steps: {fit: {retry: 1}}", "'retry' is not a key of step fit", "3:15"),
        ("steps: {fit-it: {}}", "a step is named as in Python", "3:9"),
        ("steps: {fit: {each: months}}", "each of step fit is a group of keys", "3:21"),
        ("steps: {fit: {each: {a: b, c: d}}}", "each of step fit is one", "3:21"),
        ("steps: {fit: {each: {a: b}, group: g}}", "step fit is repeated and in a group", "3:36"),
        ("steps: {fit: {when: fit}}", "step fit would wait for itself", "3:9"),
        ("steps: {fit: {when: auc => 1}}", "when of step fit is not", "3:21"),
        ("steps: {fit: {when: good < true}}", "when of step fit puts true and false in order", "3:21"),
        ("schedule: {cron: 0 4 * *}", "'0 4 * *' is no cron expression", "3:18"),
        ("schedule: {cron: 0 24 * * *}", "'24' is no hour", "3:18"),
        ("schedule: {cron: 0 4 30 2 *}", "is a day that never comes", "3:18"),
        ("schedule: {cron: 0 4 * * 1, every: 1h}", "schedule has one of cron and every", "3:11"),
        ("schedule: {every: 90s}", "schedule.every is not '90s'", "3:19"),
        ("schedule: {every: 1h, timezone: UTC}", "knows no time zone", "3:33"),
        ("schedule: {cron: 0 4 * * 1, timezone: Mars/Base}", "'Mars/Base' is no time zone", "3:39"),
        ("targets: {image: flights:latest}", "targets.image is not 'flights:latest'", "3:18"),
        ("targets: {objects: 'https://x.example'}", "targets.objects is not", "3:20"),
        ("targets: {kubernetes: {namespace: My_NS}}", "targets.kubernetes.namespace is not", "3:35"),
        ("targets: {kubernetes: {memory: 4}}", "memory of targets.kubernetes is not '4'", "3:32"),
        ("targets: {kubernetes: {gpu: -1}}", "targets.kubernetes.gpu is a whole number", "3:29"),
        ("targets: {kubernetes: {least: 3, most: 2}}", "at least 3 pods and at most 2", "3:31"),
        ("targets: {kubernetes: {callers: [web, Web]}}", "'Web', which is no namespace", "3:33"),
        ("targets: {kubernetes: {kserve: raw}}", "targets.kubernetes.kserve is not 'raw'", "3:32"),
        ("targets: {kubernetes: {canary: 100}}", "targets.kubernetes.canary is", "3:32"),
        ("targets: {kubernetes: {logger: 'http://a:b@c.example'}}", "targets.kubernetes.logger is not", "3:32"),
        ("targets: {kubernetes: {repository: 'https://me:secret@git.example/x'}}", "kubernetes.repository is not", "3:36"),
        ("targets: {kubernetes: {path: ../x}}", "targets.kubernetes.path is not", "3:30"),
        ("targets: {kubernetes: {replicas: 3}}", "'replicas' is not a key of targets.kubernetes", "3:24"),
        ("targets: {aws: {region: Frankfurt}}", "targets.aws.region is not", "3:25"),
        ("targets: {alerts: {page: pager.example.com}}", "targets.alerts.page is not 'pager.example.com'", "3:26"),
        ("targets: {alerts: {page: 'https://me:word@pager.example.com/x'}}", "targets.alerts.page is not", "3:26"),
        ("targets: {alerts: {page: 'https://pager.example.com/?token=x'}}", "targets.alerts.page is not", "3:26"),
        ("targets: {alerts: {token_file: token}}", "targets.alerts.token_file is not 'token'", "3:32"),
        ("targets: {alerts: {pages: x}}", "'pages' is not a key of targets.alerts", "3:20"),
        ("targets: {aws: {account: 123456789012}}", "targets.aws.account is text", "3:26"),
    ],
)
def test_a_mistake_is_named_at_its_place(text: str, what: str, where: str) -> None:
    problem = refusal(text + "\n")
    assert what in problem.what
    assert problem.where == f"shipway.yaml:{where}"


def test_steps_without_a_pipeline_are_refused() -> None:
    with pytest.raises(SpecMalformed, match="no pipeline"):
        parse_spec("project: flights\nsteps: {fit: {}}\n", path="shipway.yaml")


def test_names_steps_and_both_sundays_of_cron_are_understood() -> None:
    cron = parse_cron("*/15 8-10 1,15 jan-mar sun,7")
    assert cron.minute == (0, 15, 30, 45)
    assert cron.hour == (8, 9, 10)
    assert (cron.day, cron.month, cron.weekday) == ((1, 15), (1, 2, 3), (0,))
    assert parse_cron("5/20 * * * *").minute == (5, 25, 45)


@given(st.text(alphabet="0123456789*/-, abcjanmo", max_size=40))
def test_any_text_is_a_cron_expression_or_refused(text: str) -> None:
    try:
        cron = parse_cron(text)
    except SpecMalformed:
        return
    assert all(field is None or field for field in (cron.minute, cron.hour, cron.day, cron.month, cron.weekday))


def test_targets_have_defaults() -> None:
    targets = spec("targets: {image: registry.example.com/ml/flights}\n").targets
    assert targets.image == "registry.example.com/ml/flights"
    assert targets.alerts.page is None
    assert (targets.kubernetes.namespace, targets.aws.region, targets.aws.account) == ("default", "eu-west-1", None)

"""Argo Workflows: what Hera's typed models and our own linter say of it, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
import yaml
from argo_expression import NoExpression, Value, parse
from argo_lint import MOST_BYTES, depends_of, lint
from argo_project import PARAMETERS, SCHEDULE, SOURCE, STEPS
from argo_typed import typed_problems
from deploy_subjects import ROOT, Golden
from hypothesis import given
from hypothesis import strategies as st

from shipway.cli._control import control_files
from shipway.deploy import CannotExpress, Files, NamesCollide, NothingToRender, Subject, render_target
from shipway.deploy._argo_when import when_expression
from shipway.deploy._units import units_of
from shipway.kernel.digest import Digest
from shipway.pipeline import StepControl
from shipway.spec import Condition, TargetsSpec

pytest_plugins = ["deploy_fixtures"]

Make = Callable[[str, str], Subject]


def objects(files: Files) -> list[dict[str, Any]]:
    return [yaml.safe_load(text) for text in files.values()]


def template_of(files: Files) -> dict[str, Any]:
    return next(made for made in objects(files) if made["kind"] == "WorkflowTemplate")


def tasks_of(files: Files) -> dict[str, dict[str, Any]]:
    pipeline = next(one for one in template_of(files)["spec"]["templates"] if one["name"] == "pipeline")
    return {task["name"]: task for task in pipeline["dag"]["tasks"]}


@pytest.fixture
def everything(make_project: Make) -> Files:
    source = "import polars as pl\n\n\ndef seen() -> pl.DataFrame: ...\n" + SOURCE
    return render_target("argo", make_project(PARAMETERS + STEPS + SCHEDULE, source))


def test_flights_and_a_pipeline_with_everything_are_as_a_person_reviewed_them(
    flights: Subject, everything: Files, golden: Golden
) -> None:
    golden("argo-flights", render_target("argo", flights))
    golden("argo-sample", everything)


@pytest.mark.parametrize("name", ["argo-flights", "argo-sample"])
def test_what_was_reviewed_has_only_fields_that_argo_knows_and_nothing_leads_nowhere(name: str) -> None:
    made = [yaml.safe_load(path.read_text()) for path in sorted((ROOT / "tests" / "deploy" / "golden" / name).iterdir())]
    assert [problem for one in made for problem in typed_problems(one)] == []
    assert lint(made) == []


def at(made: dict[str, Any], path: str) -> tuple[Any, Any]:
    """Where the last word of a path is, and that word; `templates.NAME` and `tasks.NAME` are found by name."""
    place: Any = made["spec"] if made["kind"] == "WorkflowTemplate" else made["spec"]["workflowSpec"]
    *way, last = path.split("/")
    for word in way:
        if isinstance(place, list):
            place = place[int(word)] if word.isdigit() else next(one for one in place if one["name"] == word)
        else:
            place = place[word]
    return place, last


@pytest.mark.parametrize(
    ("path", "other"),
    [("templates", "templats"), ("templates/step-retry-2-600s-tells/retryStrategy", "retryStratgy"),
     ("templates/models/container/volumeMounts", "volumeMount"), ("ttlStrategy/secondsAfterSuccess", "secondsAfterSucess"),
     ("templates/pipeline/dag/tasks/over/when", "wenn"), ("templates/models/container/resources", "resource")],
)  # fmt: skip
def test_a_field_that_argo_does_not_know_is_found(everything: Files, path: str, other: str) -> None:
    made = template_of(everything)
    place, last = at(made, path)
    place[other] = place.pop(last)
    assert any(other in problem for problem in typed_problems(made)), path


def test_a_value_of_another_type_is_found(everything: Files) -> None:
    for path, value in [("templates/models/retryStrategy/limit", [1]), ("entrypoint", 3), ("templates/models/container", "x")]:
        made = template_of(everything)
        place, last = at(made, path)
        place[last] = value
        assert typed_problems(made), path


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("entrypoint", "pipelin", "no entrypoint pipelin"),
        ("arguments/parameters/plan/name", "plam", "the entrypoint is not given plan"),
        ("templates/models/name", "model", "shipway-models runs models, which is none"),
        ("templates/models/name", "step", "two templates step"),
        ("templates/models/name", "mo_dels", "mo_dels is no name"),
        ("templates/pipeline/dag/tasks/total/name", "days", "two tasks days"),
        ("templates/pipeline/dag/tasks/total/name", "9total", "9total is no name"),
        ("templates/pipeline/dag/tasks/total/name", "in", "in is no name"),
        ("templates/pipeline/dag/tasks/days/depends", "redy", "days comes after redy, which is none"),
        ("templates/pipeline/dag/tasks/days/depends", "ready &&", "days: depends:"),
        ("templates/pipeline/dag/tasks/days/depends", "ready.Sucseeded", "days: depends: ready.Sucseeded"),
        ("templates/pipeline/dag/tasks/ready/depends", "shipway-models", "a circle"),
        ("templates/pipeline/dag/tasks/kept-each/withParam", "{{tasks.day.outputs.parameters.items}}", "asks for tasks.day."),
        ("templates/pipeline/dag/tasks/kept-each/withParam", "{{tasks.days.outputs.parameters.item}}", "days for item, which"),
        ("templates/pipeline/dag/tasks/kept-each/withParam", "{{tasks.verdict.outputs.parameters.items}}", "not come before"),
        ("templates/pipeline/dag/tasks/days/when", "{{=tasks['ready'].outputs.parameters.value = 'true'}}", "days:"),
        ("templates/pipeline/dag/tasks/days/when", "x", "asks days, which may be skipped"),
        (
            "templates/pipeline/dag/tasks/days/arguments/parameters/plan/value",
            "{{item}}",
            "is not repeated and asks for an item",
        ),
        ("templates/pipeline/dag/tasks/days/arguments/parameters/plan/value", "{{inputs.parameters.plam}}", "asks for inputs"),
        ("templates/pipeline/dag/tasks/days/arguments/parameters/step/name", "stp", "days does not give step"),
        ("templates/models/container/args/3", "{{inputs.parameters.plam}}", "models has no inputs.parameters.plam"),
        ("templates/models/container/args/3", "x", "models does not use plan"),
        ("templates/models/volumes/keys/name", "kees", "models mounts or keeps kees alone"),
        ("templates/step-tells/outputs/parameters/kind/valueFrom", {"path": "/etc/kind"}, "step-tells cannot write /etc/kind"),
        (
            "templates/step-tells/outputs/parameters/kind/valueFrom",
            {"path": "/var/control/x/kind"},
            "is not told to write /var/control/x/kind",
        ),
    ],
)
def test_the_linter_finds_what_a_schema_cannot(everything: Files, path: str, value: object, problem: str) -> None:
    made = objects(everything)
    assert lint(made) == []
    place, last = at(next(one for one in made if one["kind"] == "WorkflowTemplate"), path)
    if isinstance(place, list):
        place[int(last)] = value
    else:
        place[last] = value
    assert any(problem in found for found in lint(made)), lint(made)


def test_the_linter_finds_a_schedule_that_runs_no_template(everything: Files) -> None:
    cron = [made for made in objects(everything) if made["kind"] == "CronWorkflow"]
    assert "runs {'name': 'sample', 'template': 'pipeline'}, which is none" in lint(cron)[0]


def test_a_skipped_step_is_skipped_by_its_own_task_where_others_ask_for_its_value(everything: Files) -> None:
    tasks = tasks_of(everything)
    assert "when" not in tasks["days"], "the list is asked for, and outputs of a task that Argo skips are none"
    assert "when" in tasks["kept-each"]
    assert tasks["kept"]["depends"] == "seen && days && kept-each"
    assert tasks["scaled-each"]["withSequence"] == {"count": 2}
    assert tasks["kept-each"]["withParam"] == "{{tasks.days.outputs.parameters.items}}"
    assert tasks["repeated"]["when"] == tasks["cheered"]["when"], "what needs a skipped step is not started either"
    assert tasks["boxed-told"]["depends"] == "gift", "a group tells of its last step alone"
    assert depends_of(tasks["opened"]) >= {"gift", "boxed-told"}


def test_a_group_of_one_step_runs_that_step(make_project: Make) -> None:
    files = render_target("argo", make_project("steps: {fit: {group: alone}}\n", "def fit() -> dict: ...\n"))
    assert homes(template_of(files))["alone"] == ["fit"]


def test_steps_of_a_group_that_do_not_share_a_condition_are_started_without_it(make_project: Make) -> None:
    lines = "steps: {a: {group: g}, b: {group: g, when: good}, d: {when: c}, e: {group: h}, f: {group: h}}\n"
    source = (
        "def good() -> bool: ...\ndef a() -> int: ...\ndef b(a: int) -> int: ...\ndef c() -> bool: ...\ndef d() -> int: ...\n"
        "def e(d: int) -> int: ...\ndef f() -> int: ...\n"
    )
    subject = make_project(lines, source)
    assert subject.workload
    conditions = {unit.name: unit.conditions for unit in units_of(subject.workload.tasks, target="argo")}
    assert conditions["g"] == ()
    assert conditions["h"] == (), "f does not come after d"
    assert [condition.step for condition in conditions["d"]] == ["c"]


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**54), 2**54),
    st.floats(allow_nan=True, allow_infinity=True),
    st.text(max_size=6),
    st.sampled_from(["true", "0.7", "it's", 'a "b"', "{{x}}", "\\", "}}", "null", "x\n"]),
)
LITERALS = st.one_of(
    st.booleans(),
    st.integers(-(2**53) + 1, 2**53 - 1),
    st.floats(allow_nan=False, allow_infinity=False, max_value=1e15, min_value=-1e15),
    st.text(max_size=6),
    st.sampled_from(["true", "0.7", "it's", 'a "b"', "\\", "null"]),
)


@given(SCALARS, LITERALS, st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), st.booleans())
def test_a_task_is_started_whenever_its_condition_holds_and_for_what_it_has_to_report(
    value: bool | float | str | None, literal: bool | float | str, operator: Any, skipped: bool
) -> None:
    if isinstance(literal, bool) and operator not in ("==", "!="):
        return
    condition = Condition(step="s", operator=operator, literal=literal)
    files = control_files(StepControl(Digest("sha256:" + "0" * 64), "s", skipped, None if skipped else value))
    try:
        tag = when_expression([condition], {"s": "s"}, target="argo")
    except CannotExpress:
        assert isinstance(literal, str)
        assert "{{" in literal or "}}" in literal
        return

    def look(path: str) -> Value:
        return files[path.rpartition(".")[2]].removesuffix("\n")  # as Argo reads a file

    assert tag.startswith("{{=")
    assert tag.endswith("}}")
    assert "}}" not in tag[:-2]
    started = parse(tag[3:-2]).value(look)
    if skipped:
        assert started is False
    elif value is None:
        assert started is True, "no value to compare: the task says so"
    elif condition.holds(value):
        assert started is True
    elif files["kind"] != "other":
        assert started is False


def test_what_argo_cannot_say_is_refused_by_name(make_project: Make) -> None:
    source = "def fit() -> dict: ...\ndef auc(fit: dict) -> float: ...\ndef end(auc: float) -> dict: ...\n"
    refused = {
        "schedule: {every: 7h}": "argo cannot start a run every 420 minutes",
        "schedule: {every: 2d}": "argo cannot start a run every 2880 minutes",
        "steps: {end: {when: 'auc == {{x}}'}}": "takes the braces in `when: auc == {{x}}` for its own",
        "steps: {end: {when: 'auc == 9007199254740993'}}": "beyond what they tell apart",
        "steps: {fit: {group: a}, end: {group: a}}": "would wait for each other",
    }
    for lines, message in refused.items():
        with pytest.raises(CannotExpress, match=message):
            render_target("argo", make_project(lines + "\n", source))
    with pytest.raises(CannotExpress, match="cannot say that something comes after contains"):
        render_target("argo", make_project("", "def contains() -> dict: ...\n"))
    with pytest.raises(NamesCollide, match="are both fit-it for argo"):
        render_target("argo", make_project("", "def fit_it() -> dict: ...\ndef fit__it() -> dict: ...\n"))
    lines = "parameters: {xs: [1]}\nsteps: {fit: {each: {x: xs}}}\n"
    subject = make_project(lines, "def fit(x: int) -> int: ...\ndef fit_each() -> int: ...\n")
    with pytest.raises(NamesCollide, match="both fit-each for argo"):
        render_target("argo", subject)


def test_a_project_without_a_pipeline_has_nothing_to_render(assistant: Subject) -> None:
    with pytest.raises(NothingToRender, match="no pipeline"):
        render_target("argo", assistant)


@pytest.mark.parametrize(
    ("schedule", "cron"),
    [("{every: 20m}", "*/20 * * * *"),
     ("{every: 1m}", "* * * * *"), ("{every: 6h}", "0 */6 * * *"), ("{every: 1h}", "0 * * * *"),
     ("{every: 1d}", "0 0 * * *"), ('{cron: "0 4 * * mon"}', "0 4 * * mon")],
)  # fmt: skip
def test_a_schedule_is_a_cron_workflow(make_project: Make, schedule: str, cron: str) -> None:
    files = render_target("argo", make_project(f"schedule: {schedule}\n", "def fit() -> dict: ...\n"))
    made = next(one for one in objects(files) if one["kind"] == "CronWorkflow")
    assert made["spec"]["schedules"] == [cron]
    assert typed_problems(made) == []


def test_secrets_and_places_stand_as_references(make_project: Make) -> None:
    lines = 'targets: {objects: "s3://example-ml/shipway", kubernetes: {namespace: ml, service_account: runner}}\n'
    subject = make_project(lines, "def fit() -> dict: ...\n")
    made = template_of(render_target("argo", subject))
    step = next(one for one in made["spec"]["templates"] if one["name"] == "step")
    catalogue = {"secretKeyRef": {"name": "sample-secrets", "key": "SHIPWAY_CATALOGUE"}}
    assert {"name": "SHIPWAY_CATALOGUE", "valueFrom": catalogue} in step["container"]["env"]
    assert {"name": "store", "emptyDir": {}} in step["volumes"]
    assert (made["metadata"]["namespace"], made["spec"]["serviceAccountName"]) == ("ml", "runner")
    assert not any("secret" in volume for volume in step["volumes"]), "what runs the team's code does not sign"
    alone = replace(subject, targets=TargetsSpec())
    step = template_of(render_target("argo", alone))["spec"]["templates"][1]
    assert {"name": "store", "persistentVolumeClaim": {"claimName": "sample-store"}} in step["volumes"]


def test_every_pod_has_the_token_that_argo_tells_the_end_of_a_step_by(everything: Files) -> None:
    """The ServiceAccount that the Kubernetes files make mounts none, and a workflow that says nothing goes by it."""
    for made in objects(everything):
        spec = made["spec"].get("workflowSpec", made["spec"])
        assert spec["automountServiceAccountToken"] is True


def test_with_a_bucket_every_pod_takes_its_credentials_from_a_secret_that_may_be_missing(make_project: Make) -> None:
    lines = 'targets: {objects: "s3://example-ml/shipway"}\nschedule: {every: 6h}\n'
    files = render_target("argo", make_project(lines, "def fit() -> dict: ...\n"))
    specs = [made["spec"].get("workflowSpec", made["spec"]) for made in objects(files)]
    boxes = [one["container"] for spec in specs for one in spec["templates"] if "container" in one]
    assert len(boxes) == 3
    for box in boxes:
        assert box["envFrom"] == [{"secretRef": {"name": "sample-objects", "optional": True}}]
    assert [problem for made in objects(files) for problem in typed_problems(made)] == []


def chain(count: int) -> str:
    return "def step_0000() -> int: ...\n" + "".join(
        f"def step_{n:04}(step_{n - 1:04}: int) -> int: ...\n" for n in range(1, count)
    )


def wide(count: int, levels: int) -> str:
    """count steps in so many levels, each of which needs one of the level before."""
    per = count // levels
    lines = []
    for n in range(count):
        need = "" if n < per else f"a_step_with_a_longer_name_{n - per:04}: int"
        lines.append(f"def a_step_with_a_longer_name_{n:04}({need}) -> int: ...\n")
    return "".join(lines)


def size_of(files: Files) -> int:
    return len(json.dumps(template_of(files), ensure_ascii=False).encode())


@pytest.mark.parametrize(
    "source", [wide(2000, 4), wide(2000, 1000), chain(2000)], ids=["four levels", "a thousand levels", "one line"]
)
def test_two_thousand_steps_fit_into_one_object_and_none_is_lost(make_project: Make, source: str) -> None:
    subject = make_project("", source)
    files = render_target("argo", subject)
    made = template_of(files)
    assert size_of(files) < MOST_BYTES
    assert lint([made]) == []
    assert typed_problems(made) == []
    assert subject.workload
    assert sorted(steps_in(made)) == sorted(task.name for task in subject.workload.tasks)
    comes_after(made, subject)


def steps_in(made: Mapping[str, Any]) -> list[str]:
    return [step for steps in homes(made).values() for step in steps]


def homes(made: Mapping[str, Any]) -> dict[str, list[str]]:
    """The steps that each task of an object runs, in order."""
    templates = {template["name"]: template for template in made["spec"]["templates"]}
    found = {}
    for task in templates["pipeline"]["dag"]["tasks"]:
        given = {one["name"]: one["value"] for one in task["arguments"]["parameters"]}
        words = templates[task["template"]]["container"]["args"]
        if words[:2] != ["step", "run"]:
            continue
        steps = [given["step"]] if "step" in given else words[2 : words.index("--plan")]
        found[task["name"]] = task.get("withItems", steps)
    return found


def comes_after(made: Mapping[str, Any], subject: Subject) -> None:
    """Every step comes after those that it needs: in a task before, or before it in its own."""
    assert subject.workload
    places = {step: (task, number) for task, steps in homes(made).items() for number, step in enumerate(steps)}
    tasks = next(one for one in made["spec"]["templates"] if one["name"] == "pipeline")["dag"]["tasks"]
    before = {task["name"]: depends_of(task) for task in tasks}
    repeated = {task["name"] for task in tasks if "withItems" in task}
    above: dict[str, set[str]] = {}
    for name in before:  # in the order in which they stand, each after those it needs
        above[name] = before[name].union(*(above[other] for other in before[name]))
    for task in subject.workload.tasks:
        home, number = places[task.name]
        for need in task.needs:
            other, earlier = places[need]
            assert other in above[home] or (other == home and earlier < number and home not in repeated), (task.name, need)


def test_a_pipeline_that_no_folding_makes_small_enough_is_refused(make_project: Make) -> None:
    lines = "steps: {" + ", ".join(f"step_{n:04}: {{timeout: {n + 1}s}}" for n in range(400)) + "}\n"
    with pytest.raises(CannotExpress, match="larger than argo takes in one object"):
        render_target("argo", make_project(lines, chain(400)))


def test_conditions_maps_and_groups_are_kept_where_others_are_folded(make_project: Make, everything: Files) -> None:
    source = "import polars as pl\n\n\ndef seen() -> pl.DataFrame: ...\n" + SOURCE + wide(2000, 4)
    subject = make_project(PARAMETERS + STEPS, source)
    files = render_target("argo", subject)
    made, tasks = template_of(files), tasks_of(files)
    assert lint([made]) == []
    for name, task in tasks_of(everything).items():
        for field in ("when", "withParam", "withSequence"):
            if name in tasks and name != "shipway-models":
                assert tasks[name].get(field) == task.get(field), name
    folded = [task for task in tasks.values() if "withItems" in task]
    assert sum(len(task["withItems"]) for task in folded) >= 2000
    assert {"days", "kept-each", "kept", "scaled-each", "gift", "boxed-told", "total", "opened", "repeated"} <= tasks.keys()


def test_an_expression_that_argo_would_not_read_is_none() -> None:
    for text in ("a && ", "a = b", "(a", "a b", "in && a", "'x"):
        with pytest.raises(NoExpression):
            parse(text)

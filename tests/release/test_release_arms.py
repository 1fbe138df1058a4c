"""Arms of a deployment: planned beside what is live, judged each, applied by one move, ended by the next."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from release_help import REF, Project, first, return_to

from shipway.gate import Moved, MoveRefused, judge_move, subjects_of
from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import Digest
from shipway.release import ArmsRefused, AskedArm, Split, apply_release, load_components, make_plan, put_release, split_of
from shipway.spec import Spec, parse_spec

pytest_plugins = ["cli_fixtures"]


@pytest.fixture
def spec(project: Project) -> Spec:
    """Without a policy: whatever fits may be live."""
    return parse_spec("project: line\ndeploy: {line@prod: {unit: header:X-User}}\n", path="shipway.yaml")


def other(project: Project, without: str = "profile") -> Digest:
    """A release that answers as the first, with another digest."""
    return put_release(project.store, [part for part in load_components(project.store, first(project)) if part.kind != without])


def apply(project: Project, spec: Spec, *arms: AskedArm, release: Digest | None = None) -> Moved:
    deploy = spec.deploy["line@prod"]
    who = (project.store, project.keys, project.actor)
    return apply_release(*who, spec, deploy, release=release, arms=arms)[1]


def standing(project: Project) -> JsonObject:
    return project.store.get(project.store.resolve(REF), "deployment")


def split_now(project: Project) -> Split:
    found = split_of(standing(project))
    assert found is not None
    return found


def test_arms_come_beside_what_is_live_grow_and_end_with_the_next_release(project: Project, spec: Spec) -> None:
    one, two, three = first(project), other(project), other(project, "data")
    apply(project, spec, release=one)
    assert "split" not in standing(project)
    apply(project, spec, AskedArm("candidate", two, 0.01))
    assert standing(project)["release"] == project.store.descriptor(one, "application/vnd.oci.image.index.v1+json").to_json()
    small = split_now(project)
    assert (small.unit, [(arm.name, arm.release, arm.ranges) for arm in small.arms]) == (
        "header:x-user",
        [("candidate", two, ((0, 100),))],
    )
    apply(project, spec, AskedArm("next", three, 0.02), AskedArm("candidate", two, 0.1), AskedArm("shadow", three, 0.5))
    large = split_now(project)
    assert large.salt == small.salt, "who was in stays in"
    assert {arm.name: arm.share for arm in large.arms} == {"candidate": 0.1, "next": 0.02, "shadow": 0.5}
    taken = [set(range(*pair)) for arm in large.arms if arm.name != "shadow" for pair in arm.ranges]
    assert sum(map(len, taken)) == len(set().union(*taken)), "no bucket has two arms"
    assert set(range(100)) <= {b for arm in large.arms if arm.name == "candidate" for pair in arm.ranges for b in range(*pair)}
    apply(project, spec, AskedArm("candidate", three, 0.1))
    assert split_now(project).salt != large.salt, "another release is another draw"
    apply(project, spec, release=three)
    assert "split" not in standing(project)
    assert [record.release for record in project.store.lives(REF)] == [three, one, one, one, one]


def test_rollback_ends_the_arms_first_and_asks_no_gate(project: Project, spec: Spec) -> None:
    one, two = first(project), other(project)
    apply(project, spec, release=two)
    apply(project, spec, release=one)
    before = project.store.resolve(REF)
    apply(project, spec, AskedArm("candidate", two, 0.2))
    moved = return_to(project)
    assert moved.judged.returning
    assert project.store.resolve(REF) == before
    apply(project, spec, AskedArm("candidate", two, 0.2))
    assert return_to(project, two).judged.returning
    assert standing(project)["release"] == project.store.descriptor(two, "application/vnd.oci.image.index.v1+json").to_json()
    assert "split" not in standing(project)


def test_each_release_that_would_answer_is_judged_and_named_where_it_is_refused(project: Project, spec: Spec) -> None:
    one, two = first(project), other(project)
    apply(project, spec, release=one)
    text = "project: line\ndeploy: {line@prod: {}}\npolicy: {deploy/line@prod: {brier: at most 1, approvals: 1}}\n"
    strict = parse_spec(text, path="shipway.yaml")
    with pytest.raises(MoveRefused, match="arm candidate: approval: 0 of 1"):
        apply(project, strict, AskedArm("candidate", two, 0.2))
    assert "split" not in standing(project)
    who = (project.store, project.keys, project.actor)
    plan = make_plan(*who, strict, strict.deploy["line@prod"], arms=[AskedArm("candidate", two, 0.2)])
    names = [check.name for check in plan.judged.judgement.checks]
    assert "approvals" in names
    assert "approvals of candidate" in names
    assert {subject.digest for subject in subjects_of(project.store, plan.target)} >= {one, two}
    assert any("20 % of units" in text for text in plan.consequences)
    assert not judge_move(*who, ref=REF, target=plan.target).judgement.allowed


@pytest.mark.parametrize(
    ("arms", "said"),
    [
        ([("live", 0.1)], "answers already"),
        ([("a", 0.1), ("a", 0.1)], "named twice"),
        ([("a", 0.6), ("b", 0.5)], "more than 100 %"),
    ],
)
def test_arms_that_cannot_be_are_refused(project: Project, spec: Spec, arms: list[tuple[str, float]], said: str) -> None:
    two = other(project)
    with pytest.raises(ArmsRefused, match="nothing is live"):
        apply(project, spec, *(AskedArm(name, two, share) for name, share in arms))
    apply(project, spec, release=first(project))
    with pytest.raises(ArmsRefused, match=said):
        apply(project, spec, *(AskedArm(name, two, share) for name, share in arms))
    with pytest.raises(ArmsRefused, match="is live itself"):
        apply(project, spec, AskedArm("a", first(project), 0.1))


def test_an_arm_that_clients_would_notice_is_refused_by_the_column(project: Project, spec: Spec) -> None:
    one = first(project)
    apply(project, spec, release=one)
    parts = {part.kind: part for part in load_components(project.store, one)}
    model = json.loads(json.dumps(project.store.get(parts["model"].digest)))
    model["signature"]["inputs"].append({"name": "z", "datatype": "FP64"})
    changed = project.store.put(model)
    two = put_release(project.store, [replace(p, digest=changed) if p.kind == "model" else p for p in parts.values()])
    with pytest.raises(ArmsRefused, match=r"takes column z \(FP64\)"):
        apply(project, spec, AskedArm("candidate", two, 0.1))

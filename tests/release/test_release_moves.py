"""Candidate, plan, apply and rollback over the small project."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from release_help import REF, Project, apply, approve, first, make, plan, points, put_live, return_to, second

from shipway.access import Actor, Forbidden
from shipway.gate import POLICY_REF, MoveRefused, load_policy, release_of, revoke
from shipway.kernel import media
from shipway.kernel.digest import Descriptor, Digest, short
from shipway.pipeline import code_object, snapshot_data
from shipway.release import (
    Look,
    NoCandidate,
    NothingToRelease,
    NothingToReturnTo,
    ReleaseDamaged,
    ReleaseMalformed,
    approve_release,
    candidate_of,
    describe_change,
    find_component,
    load_components,
    policy_change,
    publish_policy,
    put_release,
    workers_of,
)
from shipway.store import RefMissing

pytest_plugins = ["cli_fixtures"]


# candidate


def test_a_candidate_takes_what_made_the_model_and_notes_data_that_moved_since(project: Project) -> None:
    release = first(project)
    assert make(project).notes == ()
    points().head(50).write_parquet(project.root / "points" / "3.parquet")
    moved = snapshot_data(project.hands, project.spec, project.spec.data["points"]).snapshot.digest
    candidate = make(project)
    assert candidate.release == release
    (note,) = candidate.notes
    (data,) = [component for component in candidate.components if component.kind == "data"]
    assert note == f"data/points is at {short(moved)} by now; the model was made from {short(data.digest)}"


def test_without_a_model_there_is_nothing_to_release(project: Project) -> None:
    project.edit("models:\n  above:", "models:\n  below:\n    step: above")
    with pytest.raises(NothingToRelease, match="there is no model below yet") as problem:
        make(project)
    assert problem.value.mend == "shipway run"


def test_an_application_that_uses_no_model_has_nothing_to_release(project: Project) -> None:
    project.edit("line@prod: {}", "line@prod: {uses: [model/other]}")
    with pytest.raises(NothingToRelease, match="line@prod has no model"):
        make(project)


def test_an_application_without_a_release_has_no_candidate(project: Project) -> None:
    project.edit("line@prod: {}", "line@prod: {}\n  other@prod: {}")
    other = project.spec.deploy["other@prod"]
    with pytest.raises(NoCandidate) as problem:
        candidate_of(project.store, other)
    assert problem.value.mend == "shipway release"


# describe


def described(project: Project, kind: str, source: Digest | None, target: Digest | None) -> str:
    return describe_change(Look(project.store), kind, source, target).words


def test_a_change_of_data_is_told_in_files(project: Project) -> None:
    parts = {part.kind: part.digest for part in load_components(project.store, first(project))}
    points().head(10).write_parquet(project.root / "points" / "1.parquet")
    points().head(20).write_parquet(project.root / "points" / "4.parquet")
    (project.root / "points" / "2.parquet").unlink()
    moved = snapshot_data(project.hands, project.spec, project.spec.data["points"]).snapshot.digest
    told = describe_change(Look(project.store), "data", parts["data"], moved)
    assert told.words == "1 file added, 1 removed, 1 changed; 10 rows added, 580 removed"
    assert [line.partition(" ")[0] for line in told.lines] == ["+4.parquet", "-2.parquet", "1.parquet"]


def test_a_change_of_code_is_told_in_lines(project: Project) -> None:
    parts = {part.kind: part.digest for part in load_components(project.store, first(project))}
    project.edit('"""Comes out otherwise', '# a comment\n    """Comes out otherwise', file="steps.py")
    project.edit("import time\n", "import helper\nimport time\n", file="steps.py")
    (project.root / "helper.py").write_text("ONE = 1\nTWO = 2\n")
    moved = code_object(project.store, project.root, "steps.py")
    assert described(project, "code", parts["code"], moved) == "helper.py +2 -0, steps.py +2 -0"


def test_a_change_of_the_environment_is_told_in_packages(project: Project) -> None:
    def environment(*pins: str) -> Digest:
        lock = "".join(f"{pin} --hash=sha256:{'0' * 64}\n" for pin in pins).encode()
        leaf = project.store.put_bytes(lock, media.TEXT)
        return project.store.put({"kind": "environment", "version": 1, "lock": leaf.to_json()})

    before, after = environment("a==1.0", "b==1.0", "c==3"), environment("a==1.1", "c==3", "d==2")
    assert described(project, "environment", before, after) == "a 1.0 -> 1.1, +d 2, -b"


def test_a_component_that_comes_or_goes_is_told_as_that(project: Project) -> None:
    digest = first(project)
    assert described(project, "model", None, digest) == f"new {short(digest)}"
    assert described(project, "model", digest, None) == f"removed (was {short(digest)})"


# plan


def test_the_first_plan_shows_every_component_and_what_the_unpublished_policy_will_say(project: Project) -> None:
    found = plan(project)
    assert (found.ref, found.live, found.release) == (REF, None, first(project))
    kinds = ["code", "data", "environment", "model", "pipeline", "profile", "policy"]
    assert [change.kind for change in found.changes] == kinds
    assert found.changes[-1].text.endswith(": 1 rule of 1 differs; 1 definition of checks")
    assert found.judged.judgement.missing == ("approval: 0 of 1",)
    change = policy_change(project.store, project.spec)
    assert change is not None
    assert found.judged.policy == change.digest
    assert project.store.ref(POLICY_REF) is None
    assert project.store.history(REF) == []


def test_what_a_plan_says_is_what_apply_then_does(project: Project) -> None:
    refused = plan(project)
    with pytest.raises(MoveRefused) as problem:
        apply(project)
    assert problem.value.judged == refused.judged
    approve(project, first(project))
    allowed = plan(project)
    moved = apply(project)
    assert (moved.judged, moved.target) == (allowed.judged, allowed.target)
    assert policy_change(project.store, project.spec) is None
    assert load_policy(project.store, project.store.resolve(POLICY_REF)).digest == allowed.judged.policy


def test_a_plan_against_live_shows_what_differs_and_nothing_else(project: Project) -> None:
    put_live(project, first(project))
    assert plan(project).changes == ()
    found = plan(project, second(project))
    assert [(change.kind, change.name) for change in found.changes] == [("code", ""), ("data", "points")]
    assert found.changes[0].text.endswith(": steps.py +1 -1")
    assert found.changes[1].text.endswith(": 1 file added, 0 removed, 0 changed; 50 rows added, 0 removed, 0 changed by point")


def test_a_plan_that_changes_the_scale_alone_says_so(project: Project) -> None:
    put_live(project, first(project))
    project.edit("line@prod: {}", "line@prod: {workers: 3}")
    (change,) = plan(project).changes
    assert (change.kind, change.text.partition(": ")[2]) == ("deployment", "scale: workers 1 -> 3")


# apply


def test_apply_publishes_a_changed_policy_first_as_its_own_move(project: Project) -> None:
    put_live(project, first(project))
    (published,) = project.store.history(POLICY_REF)
    (moved,) = project.store.history(REF)
    assert published.id < moved.id
    project.edit("approvals: 1", "approvals: {count: 1, role: admin}")
    with pytest.raises(MoveRefused, match="approval: 0 of 1 by admin"):
        apply(project, second(project))
    assert len(project.store.history(POLICY_REF)) == 2
    assert publish_policy(project.store, project.keys, project.actor, project.spec) is None


def test_applying_what_is_live_changes_nothing(project: Project) -> None:
    put_live(project, first(project))
    assert not apply(project).changed
    assert len(project.store.history(REF)) == 1


def test_approving_needs_permission_and_a_release(project: Project) -> None:
    reader = Actor("eve", frozenset({"operator"}))
    with pytest.raises(Forbidden):
        approve_release(project.store, project.signer, reader, "line", first(project))
    with pytest.raises(ReleaseMalformed):
        approve(project, project.store.resolve("model/above"))
    assert project.store.evidence(first(project)) == []
    approve(project, first(project))
    (record,) = [r for r in project.store.history("release/line") if r.action == "approve"]
    assert (record.actor, record.target) == (project.who, first(project))


# rollback


def live_release(project: Project) -> Digest | None:
    return release_of(project.store, project.store.resolve(REF))


def test_rollback_returns_to_the_previous_other_release(project: Project) -> None:
    one, two = first(project), second(project)
    put_live(project, one)
    put_live(project, two)
    project.edit("line@prod: {}", "line@prod: {workers: 2}")
    apply(project, two)
    moved = return_to(project)
    assert live_release(project) == one
    assert moved.judged.returning
    return_to(project)
    assert live_release(project) == two


def test_neither_apply_nor_rollback_moves_to_a_model_that_is_damaged(project: Project) -> None:
    one, two = first(project), second(project)
    put_live(project, one)
    put_live(project, two)
    model = find_component(load_components(project.store, one), "model").digest  # both releases have it
    file = Descriptor.from_json(project.store.get(model)["file"]).digest
    path = project.store.objects.path(file)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    attempts: list[Callable[[], object]] = [lambda: return_to(project), lambda: apply(project, one)]
    for move in attempts:
        with pytest.raises(ReleaseDamaged, match="model above"):
            move()
    assert release_of(project.store, project.store.resolve(REF)) == two


def test_rollback_keeps_the_scale_as_it_is_now(project: Project) -> None:
    one, two = first(project), second(project)
    put_live(project, one)
    put_live(project, two)
    project.edit("line@prod: {}", "line@prod: {workers: 4}")
    apply(project, two)
    moved = return_to(project)
    assert workers_of(project.store.get(moved.target, "deployment")) == 4


def test_rollback_needs_no_approval_though_the_policy_is_stricter_now(project: Project) -> None:
    one, two = first(project), second(project)
    put_live(project, one)
    put_live(project, two)
    project.edit("approvals: 1", "approvals: {count: 1, role: admin}\n    import.tests: pass")
    publish_policy(project.store, project.keys, project.actor, project.spec)
    never_live = put_release(project.store, [*load_components(project.store, one)][:-1])
    with pytest.raises(MoveRefused):
        apply(project, never_live)
    assert return_to(project).changed


def test_rollback_to_a_named_release_that_was_live(project: Project) -> None:
    one, two = first(project), second(project)
    three = put_release(project.store, [*load_components(project.store, one)][:-1])
    put_live(project, one)
    put_live(project, two)
    put_live(project, three)
    return_to(project, one)
    assert live_release(project) == one


def test_rollback_to_what_never_was_live_is_refused_and_points_at_apply(project: Project) -> None:
    put_live(project, first(project))
    two = second(project)
    approve(project, two)
    with pytest.raises(NothingToReturnTo, match="was never live") as problem:
        return_to(project, two)
    assert problem.value.mend == f"shipway apply --release {short(two)}"
    assert live_release(project) == first(project)


def test_with_nothing_before_there_is_nothing_to_return_to(project: Project) -> None:
    with pytest.raises(RefMissing):
        return_to(project)
    put_live(project, first(project))
    with pytest.raises(NothingToReturnTo, match="no other release was live"):
        return_to(project)
    project.edit("line@prod: {}", "line@prod: {workers: 2}")
    apply(project)
    with pytest.raises(NothingToReturnTo):
        return_to(project)


def test_rollback_works_though_a_deployment_of_long_ago_is_gone(project: Project) -> None:
    one, two = first(project), second(project)
    three = put_release(project.store, [*load_components(project.store, one)][:-1])
    gone = put_live(project, three).target
    put_live(project, one)
    put_live(project, two)
    project.store.objects.path(gone).unlink()
    return_to(project)
    assert live_release(project) == one


def test_rollback_by_the_command_takes_less_than_a_second_of_the_ref(project: Project, tmp_path: Path) -> None:
    one, two = first(project), second(project)
    put_live(project, one)
    put_live(project, two)
    document = project.ask("rollback", "line", "--to", short(one), "--why", "it is worse")
    assert (document["from"], document["to"]) == (two, one)
    record = project.store.history(REF)[0]
    assert (record.action, record.why, record.verdict) == ("return", "it is worse", document["verdict"])


def test_rollback_passes_over_a_release_with_a_revoked_part(project: Project) -> None:
    one, two = first(project), second(project)
    three = put_release(project.store, [*load_components(project.store, one)][:-1])
    for release in (one, two, three):
        put_live(project, release)
    (part,) = [part.digest for part in load_components(project.store, two) if part.kind == "data"]
    hands = (project.store, project.keys, project.signer, project.actor)
    revoke(*hands, digest=part, name="it", why="leaks", resource="data/points")
    return_to(project)
    assert live_release(project) == one


def test_rollback_passes_over_what_is_revoked(project: Project) -> None:
    one, two = first(project), second(project)
    three = put_release(project.store, [*load_components(project.store, one)][:-1])
    for release in (one, two, three):
        put_live(project, release)
    hands = (project.store, project.keys, project.signer, project.actor)
    revoke(*hands, digest=two, name="it", why="leaks", resource="release/line")
    return_to(project)
    assert live_release(project) == one
    with pytest.raises(NothingToReturnTo, match="was revoked: leaks"):
        return_to(project, two)

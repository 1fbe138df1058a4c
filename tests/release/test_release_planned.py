"""A plan as an object: applied exactly as it was made, or refused with the reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from release_help import REF, Project, apply, approve, first, plan, put_live, second

from shipway.access import Actor, KeyRing
from shipway.gate import POLICY_REF, MoveRefused
from shipway.kernel.canonical import canonical_json
from shipway.kernel.digest import Digest, digest_bytes, short
from shipway.kernel.errors import ShipwayError
from shipway.release import (
    KeptPlan,
    PlanAltered,
    PlanForeign,
    PlanMalformed,
    PlanStale,
    PlanVersion,
    apply_planned,
    keep_plan,
    load_plan,
    publish_policy,
)
from shipway.store import ObjectMissing, Store, open_store

pytest_plugins = ["cli_fixtures"]

BEN = Actor("ben@example.org", frozenset({"admin"}))


def kept(project: Project, release: Digest | None = None) -> KeptPlan:
    """A plan that was made, kept, written and read again."""
    return load(project, keep_plan(project.store, project.actor, plan(project, release))[1])


def load(project: Project, data: bytes) -> KeptPlan:
    return load_plan(project.store, data, where="plan.json")


def carry_out(project: Project, found: KeptPlan) -> bool:
    return apply_planned(project.store, project.keys, project.actor, found).changed


def record_of(project: Project) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(keep_plan(project.store, project.actor, plan(project))[1])
    return record


def moves(project: Project, ref: str) -> list[str]:
    return [record.outcome for record in project.store.history(ref)]


def test_a_kept_plan_is_applied_as_it_was_though_the_files_say_otherwise_by_now(project: Project) -> None:
    approve(project, first(project))
    found = kept(project)
    project.edit("line@prod: {}", "line@prod: {workers: 7}")
    project.edit("approvals: 1", "approvals: 5")
    assert carry_out(project, found)
    assert project.store.resolve(REF) == found.target
    assert project.store.resolve(POLICY_REF) == found.policy_change
    (moved,) = project.store.history(REF)
    assert moved.why == f"plan {short(found.digest)} of {project.who}"
    verdict = project.store.get(moved.verdict or found.digest, "verdict")
    assert (verdict["plan"], verdict["policy"]) == (found.digest, found.policy_change)


def test_a_plan_that_was_applied_is_there_already(project: Project) -> None:
    approve(project, first(project))
    found = kept(project)
    assert [carry_out(project, found) for _ in range(3)] == [True, False, False]
    assert moves(project, REF) == moves(project, POLICY_REF) == ["moved"]


def test_a_plan_that_moves_nothing_publishes_the_policy_that_it_shows(project: Project) -> None:
    put_live(project, first(project))
    project.edit("approvals: 1", "approvals: 0")
    found = kept(project)
    assert found.source == found.target
    assert [carry_out(project, found) for _ in range(2)] == [False, False]
    assert project.store.resolve(POLICY_REF) == found.policy_change
    assert moves(project, POLICY_REF) == ["moved", "moved"]


def test_a_plan_is_stale_when_the_ref_moved_and_says_who_did_it(project: Project) -> None:
    put_live(project, first(project))
    two = second(project)
    approve(project, two)
    found = kept(project, two)
    project.edit("line@prod: {}", "line@prod: {workers: 3}")
    apply(project, first(project), why="more people")
    with pytest.raises(PlanStale, match=f"is stale: {REF} was at .*: {project.who} moved it at 20.*more people") as problem:
        carry_out(project, found)
    assert problem.value.mend is not None
    assert "shipway plan -o" in problem.value.mend
    assert moves(project, REF) == ["moved", "moved"]


def test_a_plan_is_stale_when_the_policy_moved(project: Project) -> None:
    put_live(project, first(project))
    two = second(project)
    approve(project, two)
    found = kept(project, two)
    project.edit("approvals: 1", "approvals: {count: 1, role: admin}")
    publish_policy(project.store, project.keys, BEN, project.spec, why="two of us")
    with pytest.raises(PlanStale, match=r"policy/main was at .*ben@example.org moved it .*two of us"):
        carry_out(project, found)


def test_a_plan_is_fresh_when_its_own_policy_was_published_meanwhile(project: Project) -> None:
    approve(project, first(project))
    found = kept(project)
    publish_policy(project.store, project.keys, BEN, project.spec)
    assert carry_out(project, found)
    assert moves(project, POLICY_REF) == ["moved"]


def test_a_plan_is_judged_again_by_what_is_known_when_it_is_applied(project: Project) -> None:
    found = kept(project)
    with pytest.raises(MoveRefused, match="approval: 0 of 1"):
        carry_out(project, found)
    assert moves(project, REF) == ["refused"]
    approve(project, first(project))
    assert carry_out(project, found)


def test_how_the_file_is_laid_out_does_not_count_and_each_value_does(project: Project) -> None:
    record = record_of(project)
    digest = digest_bytes(canonical_json(record))
    assert load(project, json.dumps(record, indent=4).encode()).digest == digest
    for change in ({"to": "sha256:" + "0" * 64}, {"policy": "sha256:" + "0" * 64}, {"more": 1}, {"from": record["to"]}):
        with pytest.raises(PlanAltered, match="changed since it was made"):
            load(project, json.dumps({**record, **change}).encode())


def contradicting(project: Project) -> list[dict[str, Any]]:
    record = record_of(project)
    other = project.store.put({**project.store.get(record["to"]), "application": "other"})
    two = second(project)
    return [{**record, "ref": "deploy/other@prod"}, {**record, "to": other}, {**record, "release": two}]


def test_a_plan_that_contradicts_itself_is_refused_though_the_store_has_it(project: Project) -> None:
    for record in contradicting(project):
        project.store.put(record)
        with pytest.raises(PlanAltered, match="contradicts itself"):
            carry_out(project, load(project, canonical_json(record)))
    assert project.store.ref(REF) is None


MALFORMED: dict[str, tuple[Callable[[dict[str, Any]], object], type[ShipwayError], str]] = {
    "older": (lambda record: {**record, "version": 0}, PlanVersion, "version 0, made by Shipway .*reads version 1"),
    "newer": (lambda record: {**record, "version": 2, "made": {"shipway": "9.0"}}, PlanVersion, "made by Shipway 9.0"),
    "foreign": (lambda record: {**record, "project": "circles"}, PlanForeign, "of project circles, and this is points"),
    "verdict": (lambda record: {**record, "kind": "verdict"}, PlanMalformed, "no plan, but a verdict"),
    "nothing": (lambda _: {}, PlanMalformed, "no plan, but a thing without kind"),
    "list": (lambda record: [record], PlanMalformed, "a JSON object was expected"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_file_that_is_no_plan_of_ours_is_one_clear_error(project: Project, name: str) -> None:
    change, kind, words = MALFORMED[name]
    data = json.dumps(change(record_of(project))).encode()
    with pytest.raises(kind, match=words) as problem:
        load(project, data)
    assert problem.value.mend


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe", b'{"kind":"plan","kind":"plan"}'])
def test_bytes_that_are_no_json_are_no_plan(project: Project, data: bytes) -> None:
    with pytest.raises(PlanMalformed):
        load(project, data)


@pytest.mark.parametrize("field", ["ref", "from", "to", "release", "policy", "policy_change", "prices", "made"])
def test_a_plan_without_one_of_its_fields_is_refused(project: Project, field: str) -> None:
    record = record_of(project)
    for broken in ({key: value for key, value in record.items() if key != field}, {**record, field: 7}):
        project.store.put(broken)
        with pytest.raises((PlanMalformed, PlanAltered)):
            carry_out(project, load(project, canonical_json(broken)))


DIGEST = "sha256:" + "1" * 64
SAMPLE: dict[str, Any] = {
    "kind": "plan", "version": 1, "project": "points", "ref": REF, "from": None, "to": DIGEST, "release": DIGEST,
    "policy": DIGEST, "policy_change": None, "prices": None, "changes": [],
    "made": {"at": "2026-11-28T12:00:00.000000Z", "actor": "ann", "shipway": "0.1.0"},
}  # fmt: skip
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=6) | st.just(DIGEST),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["at", "actor", "x"]), inner, max_size=2),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from(sorted(SAMPLE)), ANYTHING, max_size=3), st.booleans())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_file_makes_reading_a_plan_fail_but_by_an_error_of_its_own(
    tmp_path: Path, changes: dict[str, Any], known: bool
) -> None:
    store = open_store(tmp_path, "points", create=True)
    record = {**SAMPLE, **changes}
    if known:
        store.objects.put(canonical_json(record))
    read = read_or_refused(store, record)
    if isinstance(read, KeptPlan):
        assert store.objects.has(read.digest)
        with pytest.raises(ShipwayError):  # nothing that it names is here
            apply_planned(store, KeyRing([]), BEN, read)
    else:
        assert read.mend
        assert changes or not known
    store.close()


def read_or_refused(store: Store, record: dict[str, Any]) -> KeptPlan | ShipwayError:
    try:
        return load_plan(store, json.dumps(record).encode(), where="plan.json")
    except (PlanMalformed, PlanVersion, PlanForeign, PlanAltered) as problem:
        return problem


def test_what_a_plan_names_has_to_be_in_the_store(project: Project) -> None:
    approve(project, first(project))
    found = kept(project)
    project.store.objects.path(found.policy_change or found.target).unlink()
    with pytest.raises(ObjectMissing):
        carry_out(project, found)
    assert project.store.ref(POLICY_REF) is None


def test_what_is_live_and_cannot_be_read_bars_no_plan(project: Project) -> None:
    put_live(project, first(project))
    project.store.objects.path(project.store.resolve(REF)).unlink()
    project.edit("line@prod: {}", "line@prod: {workers: 3}")
    found = plan(project)
    assert found.live is None
    assert found.consequences[0] == "what is live cannot be read, so all of it counts as new"
    (project.root / "next.json").write_bytes(keep_plan(project.store, project.actor, found)[1])
    applied = project.ask("apply", "next.json")
    assert (applied["changed"], applied["from"]) == (True, None)


# by the command


def test_the_command_writes_a_plan_and_applies_it_by_digest(project: Project) -> None:
    approve(project, first(project))
    document = project.ask("plan", "-o", "next.json")
    assert digest_bytes((project.root / "next.json").read_bytes().strip()) == document["plan"]
    assert project.cli("plan", "-o", "next.json").last == "next: shipway apply next.json"
    project.edit("line@prod: {}", "line@prod: {workers: 3}")
    planned = json.loads((project.root / "next.json").read_text())
    (project.root / "shipway.yaml").write_text("nothing: [that can be read")
    applied = project.ask("apply", "next.json")
    assert (applied["changed"], applied["deployment"]) == (True, planned["to"])
    assert applied["plan"] == digest_bytes(canonical_json(planned))


def test_the_command_says_what_is_wrong_with_a_file(project: Project, tmp_path: Path) -> None:
    assert project.cli("apply", "gone.json", "--json").document["error"]["code"] == "cli.file-unusable"
    assert project.cli("plan", "-o", "no/such/folder.json", "--json").document["error"]["code"] == "cli.file-unusable"
    (project.root / "bad.json").write_text("{}")
    assert project.cli("apply", "bad.json", "--json").document["error"]["code"] == "release.plan-malformed"
    refused = project.cli("apply", "bad.json", "--release", "abcdef", "--json")
    assert (refused.code, refused.document["error"]["code"]) == (64, "cli.misused")
    (project.root / "large.json").write_bytes(b" " * 10_000_001)
    assert "larger than 10,000,000 bytes" in project.cli("apply", "large.json", "--json").document["error"]["what"]
    assert list(tmp_path.glob("**/.folder*")) == []

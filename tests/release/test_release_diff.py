"""Any two objects of one kind compared: found by digest, digits, ref or an earlier place of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from release_help import REF, Project, approve, first, put_live, second

from shipway.access import Actor, KeyRing, open_keys
from shipway.gate import attest, move_ref
from shipway.kernel import media
from shipway.kernel.canonical import canonical_json
from shipway.kernel.digest import Digest, digest_bytes, short
from shipway.release import (
    Component,
    Difference,
    KindsDiffer,
    Look,
    ObjectUnknown,
    ReleaseMalformed,
    compare_objects,
    find_object,
    put_release,
)
from shipway.store import ObjectMissing, Store, open_store

pytest_plugins = ["cli_fixtures"]

ANN = Actor("ann@example.org", frozenset({"admin"}))
START = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Hourly:
    """Each move is an hour after the one before."""

    at = START

    def now(self) -> datetime:
        return self.at


@pytest.fixture
def clock() -> Hourly:
    return Hourly()


@pytest.fixture
def store(tmp_path: Path, clock: Hourly) -> Iterator[Store]:
    found = open_store(tmp_path / "store", "points", create=True, clock=clock)
    yield found
    found.close()


def model(store: Store, number: int) -> Digest:
    return store.put({"kind": "model", "version": 1, "n": number})


def moved(store: Store, clock: Hourly, *numbers: int) -> list[Digest]:
    """`model/m` at each of these models, an hour each."""
    digests = []
    for number in numbers:
        digests.append(model(store, number))
        move_ref(store, KeyRing([]), ANN, ref="model/m", target=digests[-1])
        clock.at += timedelta(hours=1)
    return digests


def compare(store: Store, one: str, two: str, **look: Any) -> Difference:
    return compare_objects(Look(store, **look), find_object(store, one), find_object(store, two))


def unknown(store: Store, text: str) -> str:
    with pytest.raises(ObjectUnknown) as problem:
        find_object(store, text)
    assert problem.value.mend
    return problem.value.what


# finding


def test_an_object_is_found_by_digest_digits_and_ref(store: Store, clock: Hourly) -> None:
    (digest,) = moved(store, clock, 1)
    for text in (
        digest,
        digest.removeprefix("sha256:"),
        short(digest),
        f"sha256:{short(digest)}",
        "model/m",
        "model/m@approved",
    ):
        found = find_object(store, text)
        assert (found.digest, found.kind) == (digest, "model")
    assert find_object(store, "model/m").name == "m"


def test_an_earlier_place_of_a_ref_is_found_by_steps_and_by_time(
    store: Store, clock: Hourly, monkeypatch: pytest.MonkeyPatch
) -> None:
    from shipway.release import _find

    monkeypatch.setattr(_find, "_PAGE", 2)
    digests = moved(store, clock, 1, 2, 3, 4, 5)
    assert [find_object(store, f"model/m~{steps}").digest for steps in range(5)] == digests[::-1]
    times = ["12:00", "12:59:59", "13:00", "2030", "16:30"]
    moments = [f"2026-11-23 {time}" if ":" in time else "2030-01-01" for time in times]
    assert [find_object(store, f"model/m@{{{moment}}}").digest for moment in moments] == [digests[n] for n in (0, 0, 1, 4, 4)]
    assert find_object(store, "model/m@{2026-11-23T13:30+01:00}").digest == digests[0]
    assert unknown(store, "model/m~5") == "model/m moved 5 times, so there is no model/m~5"
    assert unknown(store, "model/m@{2026-11-23 11:59}") == "model/m pointed at nothing yet at 2026-11-23 11:59"
    assert unknown(store, "model/m@{yesterday}") == "'yesterday' is no time"


def test_what_is_no_object_is_said_to_be_none(store: Store) -> None:
    leaf = store.put_bytes(b"\x00 no JSON").digest
    assert "is no object, but bytes" in unknown(store, leaf)
    assert unknown(store, "model/none") == "there is no object and no ref model/none"
    assert unknown(store, "sha256:abc") == "'sha256:abc' is too short for a digest"
    assert unknown(store, "0123456789") == "no object begins with 0123456789"
    assert unknown(store, "../../etc/passwd").startswith("there is no object and no ref")
    with pytest.raises(ObjectMissing):
        find_object(store, "sha256:" + "0" * 64)


def twins() -> tuple[int, int]:
    """Two numbers whose models begin with the same four digits."""
    seen: dict[str, int] = {}
    for number in range(100_000):
        digits = short(digest_bytes(canonical_json({"kind": "model", "version": 1, "n": number})))[:4]
        if digits in seen:
            return seen[digits], number
        seen[digits] = number
    raise AssertionError("digests do not repeat their first four digits")


def test_digits_that_begin_several_objects_ask_for_more(store: Store) -> None:
    one, two = (model(store, number) for number in twins())
    assert unknown(store, short(one)[:4]).startswith(f"2 objects begin with {short(one)[:4]}: ")
    assert find_object(store, short(one)).digest == one
    path = store.objects.path(two)
    path.chmod(0o644)
    path.write_bytes(b"{}")
    assert find_object(store, short(one)[:4]).digest == one, "a damaged one cannot be meant"


# comparing


def test_an_object_is_equal_to_itself_whatever_its_name(store: Store, clock: Hourly) -> None:
    (digest,) = moved(store, clock, 1)
    found = compare(store, "model/m", digest)
    assert (found.kind, found.changes, found.source) == ("model", (), found.target)


def test_different_kinds_are_one_clear_error(store: Store, clock: Hourly) -> None:
    moved(store, clock, 1)
    prompt = store.put({"kind": "prompt", "version": 1})
    with pytest.raises(KindsDiffer, match=r"model/m is a model and \S+ a prompt") as problem:
        compare(store, "model/m", prompt)
    assert problem.value.mend


def test_unknown_kinds_are_compared_by_json_paths(store: Store) -> None:
    one = store.put({"kind": "thing", "version": 1, "deep": {"list": [1, {"x": "a"}]}})
    two = store.put({"kind": "thing", "version": 2, "deep": {"list": [1, {"x": "b"}, None]}})
    (change,) = compare(store, one, two).changes
    assert change.text == f"{short(one)} -> {short(two)}: 3 values differ"
    assert change.lines == ("deep.list[1].x a -> b", "+deep.list[2] none", "version 1 -> 2")


def test_evidence_is_compared_by_what_was_signed(store: Store, tmp_path: Path) -> None:
    signer, keys = open_keys(tmp_path / "keys")
    subject = model(store, 1)
    kind = media.APPROVAL_PREDICATE
    envelopes = [
        attest(store, signer, subject=subject, name="m", predicate_type=kind, predicate={"approver": who}, label="a")
        for who in ("ann", "ben")
    ]
    (change,) = compare(store, envelopes[0], envelopes[1], keys=keys).changes
    assert change.lines[-1] == "statement.predicate.approver ann -> ben"


def test_a_manifest_is_no_release(store: Store) -> None:
    one, two = (store.put({"schemaVersion": 2, "manifests": [], "n": n}) for n in (1, 2))
    found = compare(store, one, two)
    assert found.kind == "manifest"
    assert found.changes[0].lines == ("n 1 -> 2",)


DIGESTS = st.integers(0, 4)
PARTS = st.dictionaries(
    st.tuples(st.sampled_from(["model", "data", "prompt", "profile", "code"]), st.sampled_from(["", "a", "b"])),
    DIGESTS,
    max_size=6,
)


@given(PARTS, PARTS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_releases_differ_in_exactly_the_components_that_are_others(
    store: Store, one: dict[tuple[str, str], int], two: dict[tuple[str, str], int]
) -> None:
    def put(parts: dict[tuple[str, str], int]) -> Digest:
        kinds = {"data": "snapshot"}
        return put_release(store, [Component(kind, name, store.put({"kind": kinds.get(kind, kind), "version": 1, "n": n}))
                                   for (kind, name), n in parts.items()])  # fmt: skip

    source, target = put(one), put(two)
    found = compare(store, source, target)
    differing = {key for key in one.keys() | two.keys() if one.get(key) != two.get(key)}
    assert {(change.kind, change.name) for change in found.changes} == differing
    back = compare(store, target, source)
    assert [(c.kind, c.name, c.source, c.target) for c in back.changes] == [
        (c.kind, c.name, c.target, c.source) for c in found.changes
    ]
    assert all(change.text for change in found.changes)


def test_a_release_that_is_none_is_said_to_be_malformed(store: Store) -> None:
    release = put_release(store, [])
    fake = store.put({"schemaVersion": 2, "artifactType": "application/vnd.shipway.release.v1+json", "manifests": [{"x": 1}]})
    with pytest.raises(ReleaseMalformed, match="is not a release"):
        compare(store, release, fake)


# by the command


def test_the_command_compares_what_is_live_with_what_was(project: Project) -> None:
    put_live(project, first(project))
    put_live(project, second(project))
    assert project.cli("diff", REF, REF).out.splitlines()[0].endswith(": equal")
    document = project.ask("diff", f"{REF}~1", REF)
    assert (document["compared"], document["equal"]) == ("deployment", False)
    assert [change["kind"] for change in document["changes"]] == ["code", "data"]
    code, data = document["changes"]
    assert "-Comes out otherwise" in "".join(line[:1] + line[1:].strip().strip('"') for line in code["lines"])
    assert data["facts"]["key"] == ["point"]
    shown = project.cli("diff", "release/line", REF)
    assert shown.code == 0
    assert shown.out.startswith("release ")
    assert shown.last == f"next: shipway log {REF}"
    lean = project.ask("diff", f"{REF}~1", REF, "--lines", "0")
    assert [change["lines"] for change in lean["changes"]] == [[], []]


def test_the_command_compares_plans_by_what_they_would_put_live(project: Project) -> None:
    approve(project, first(project))
    project.ask("plan", "-o", "one.json")
    project.edit("line@prod: {}", "line@prod: {workers: 3}")
    project.ask("plan", "-o", "two.json")
    document = project.ask("diff", "one.json", "two.json")
    assert [change["kind"] for change in document["changes"]] == ["plan", "deployment"]
    assert document["changes"][1]["text"].endswith(": scale: workers 1 -> 3")
    (project.root / "shipway.yaml").write_text("not: [readable")
    assert project.ask("diff", "one.json", "one.json")["equal"]
    assert project.cli("diff", "one.json", "release/line", "--json").document["error"]["code"] == "release.kinds-differ"

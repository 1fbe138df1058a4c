"""Changes in words: counts first, every kind of component, and nothing that an object holds makes it fail."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipway.access import KeyRing, Signer, open_keys
from shipway.gate import attest
from shipway.kernel import media
from shipway.kernel.canonical import JsonObject
from shipway.kernel.check import Check, Verdict
from shipway.kernel.digest import Digest
from shipway.models import Column, Signature, golden_blob, model_object
from shipway.release import Component, Described, Look, describe_change, put_release, release_changes
from shipway.release._describe_json import json_changes
from shipway.release._trees import compare_trees
from shipway.store import Store, open_store


class World:
    """A store, and a key that is trusted in it."""

    def __init__(self, root: Path) -> None:
        self.root, self.store = root, open_store(root / "store", "points", create=True)
        self.signer: Signer
        self.keys: KeyRing
        self.signer, self.keys = open_keys(root / "keys")

    def told(self, kind: str, before: Digest, after: Digest, *, lines: int = 6) -> Described:
        return describe_change(Look(self.store, self.keys, self.root, lines), kind, before, after)

    def put(self, kind: str, **fields: Any) -> Digest:
        return self.store.put({"kind": kind, "version": 1, **fields})

    def code(self, side: str, **files: str | bytes) -> Digest:
        folder = self.root / side
        folder.mkdir()
        for name, text in files.items():
            path = folder / name.replace("__", "/").replace("_", ".")
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return self.put("code", entry="steps.py", root=self.store.put_tree(folder)[0].to_json())

    def measure(self, subject: Digest, name: str, value: float, **more: Any) -> None:
        check = Check(name, Verdict.INCONCLUSIVE, value, value - 0.25, value + 0.25, n=100, level=0.95)
        predicate: JsonObject = {"check": check.to_json(), **more}
        attest(self.store, self.signer, subject=subject, name="x", predicate_type=media.CHECK_PREDICATE,
               predicate=predicate, label=name)  # fmt: skip


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    found = World(tmp_path)
    yield found
    found.store.close()


# trees


def test_folders_with_one_digest_are_not_looked_into(world: World) -> None:
    one = world.code("one", big__a_txt="a", big__b_txt="b", small__c_txt="c")
    two = world.code("two", big__a_txt="a", big__b_txt="b", small__c_txt="d", new_txt="n")
    roots = [Digest(str(world.store.get(digest)["root"]["digest"])) for digest in (one, two)]  # type: ignore[index,call-overload]
    (same,) = {entry["digest"] for digest in roots for entry in entries(world.store, digest) if entry["name"] == "big"}
    world.store.objects.path(Digest(same)).unlink()  # what is equal is never opened
    change = compare_trees(world.store, *roots)
    assert [file.path for file in change.added] == ["new.txt"]
    assert [pair.target.path for pair in change.changed] == ["small/c.txt"]
    assert change.removed == ()


def entries(store: Store, digest: Digest) -> Any:
    return store.get(digest, "tree")["entries"]


def test_a_file_that_becomes_a_folder_went_and_came(world: World) -> None:
    one, two = world.code("one", a="text"), world.code("two", a__b="text")
    roots = [Digest(str(world.store.get(digest)["root"]["digest"])) for digest in (one, two)]  # type: ignore[index,call-overload]
    change = compare_trees(world.store, *roots)
    assert ([file.path for file in change.removed], [file.path for file in change.added]) == (["a"], ["a/b"])
    assert change.only(source=True) == change.only(source=False) == [], "the bytes are the same"


# code


def test_code_is_told_in_lines_and_in_hunks_where_there_is_room(world: World) -> None:
    one = world.code("one", steps_py="a\nb\nc\n", gone_py="x\n", data_bin=b"\0\1")
    two = world.code("two", steps_py="a\nB\nc\nd\n", data_bin=b"\0\1\2")
    found = world.told("code", one, two)
    assert found.words == "data.bin 2 bytes -> 3 bytes, gone.py +0 -1, steps.py +2 -1"
    assert (found.lines, found.facts) == ((), {"files": 3, "added": 2, "removed": 2})
    lines = world.told("code", one, two, lines=200).lines
    assert lines[:3] == ("--- a/gone.py", "+++ b/gone.py", "@@ -1 +0,0 @@")
    assert {"-b", "+B", "+d", " a"} <= set(lines)


def test_a_long_file_is_counted_without_being_aligned(world: World) -> None:
    text = "\n".join(str(number) for number in range(60_000))
    one, two = world.code("one", steps_py=text), world.code("two", steps_py=text + "\nmore\n")
    assert world.told("code", one, two).words == "steps.py +1 -0"


def test_a_file_that_became_executable_is_told(world: World) -> None:
    one = world.code("one", go_sh="x")
    (world.root / "one" / "go.sh").chmod(0o755)
    two = world.put("code", entry="steps.py", root=world.store.put_tree(world.root / "one")[0].to_json())
    assert world.told("code", one, two).words == "go.sh is executable"


def git(root: Path, *words: str) -> str:
    command = ["git", "-c", "user.name=Ann", "-c", "user.email=ann@example.org", *words]
    return subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout.strip()


def provenance(world: World, model: Digest, code: Digest, commit: str, *, dirty: bool = False) -> None:
    predicate: JsonObject = {
        "buildDefinition": {
            "internalParameters": {"git": {"commit": commit, "dirty": dirty}},
            "resolvedDependencies": [{"name": "code", "digest": {"sha256": code.removeprefix("sha256:")}}],
        }
    }
    kind = media.PROVENANCE_PREDICATE
    attest(world.store, world.signer, subject=model, name="m", predicate_type=kind, predicate=predicate, label="run")


def test_commits_between_two_releases_are_named_where_git_knows_both(world: World) -> None:
    git(world.root, "init", "-q")
    commits = []
    for number in range(4):
        git(world.root, "commit", "-q", "--allow-empty", "-m", f"change {number}")
        commits.append(git(world.root, "rev-parse", "HEAD"))
    releases = []
    for number, commit in ((0, commits[0]), (1, commits[3])):
        code = world.code(f"code{number}", steps_py=f"{number}\n")
        model = world.put("model", number=number)
        provenance(world, model, code, commit, dirty=number == 1)
        parts = [Component("code", "", code), Component("model", "m", model)]
        releases.append(put_release(world.store, parts))
    changes = {change.kind: change for change in release_changes(Look(world.store, world.keys, world.root), *releases)}
    words = f"commit {commits[0][:10]} -> {commits[3][:10]} with edits (3 commits)"
    assert changes["code"].text.endswith(f": steps.py +1 -1; {words}")
    assert [line.partition(" ")[2] for line in changes["code"].lines] == ["change 3", "change 2", "change 1"]
    without = release_changes(Look(world.store, world.keys, world.root / "keys"), *releases)
    assert without[0].text.endswith(f"; {words}"), "a folder below a checkout knows its commits too"
    untrusted = release_changes(Look(world.store, None, world.root), *releases)
    assert untrusted[0].text.endswith(": steps.py +1 -1")


# model


def model(world: World, answers: list[float], *, inputs: Mapping[str, str], format: str = "skops") -> Digest:
    rows = {"x": np.arange(len(answers), dtype=np.float64)}
    golden = golden_blob(rows, {"probability": np.array(answers)})
    record = model_object(
        format=format,
        file=world.store.put_bytes(str(answers).encode(), media.SKOPS),
        signature=Signature(tuple(Column(*pair) for pair in inputs.items()), (Column("probability", "FP64"),)),
        golden=world.store.put_bytes(golden, media.media_type("golden")),
        key=["id"],
        time=None,
        target="late",
    )
    return world.store.put(record)


def test_a_model_is_told_by_metrics_signature_format_and_golden_rows(world: World) -> None:
    before = model(world, [0.25, 0.5, 0.75], inputs={"x": "FP64", "y": "INT64"})
    after = model(world, [0.25, 0.5, 0.5], inputs={"x": "FP32", "z": "BYTES"}, format="onnx")
    world.measure(before, "auc", 0.5)
    world.measure(before, "brier", 0.25)
    world.measure(after, "auc", 0.5)
    world.measure(after, "auc", 0.75)  # measured again: the newer one counts
    world.measure(after, "auc", 0.125, against=before)  # a difference is no metric of the model
    found = world.told("model", before, after)
    told = "\n".join([found.words, *found.lines])
    assert found.words.startswith("auc 0.5 [0.25, 0.75] -> 0.75 [0.5, 1]; brier not measured yet, was 0.25")
    assert "signature: input x FP64 -> FP32, input +z BYTES, input -y" in told
    assert "format skops -> onnx" in told
    assert "2 of 3 golden rows answered alike to the bit, largest difference 0.25" in told
    assert found.facts["signature"] == ["input x FP64 -> FP32", "input +z BYTES", "input -y"]


def test_a_model_that_nobody_measured_is_told_by_its_golden_rows(world: World) -> None:
    before, after = model(world, [0.5], inputs={"x": "FP64"}), model(world, [0.5, 0.5], inputs={"x": "FP64"})
    assert world.told("model", before, after).words == "other golden rows"


# policy, deployment, prices


def rule(ref: str, approvals: int, *require: JsonObject) -> JsonObject:
    return {"ref": ref, "require": list(require), "approvals": approvals, "inconclusive": "hold"}


def test_a_policy_is_told_rule_by_rule(world: World) -> None:
    auc: JsonObject = {"name": "auc", "form": "at least", "value": 0.55, "level": 0.95}
    contract: JsonObject = {"name": "contract", "form": "pass"}
    before = world.put("policy", rules=[rule("deploy/a@prod", 1, auc, contract), rule("deploy/b@prod", 0)],
                       definitions={"contract": {}})  # fmt: skip
    stricter = rule("deploy/a@prod", 2, {**auc, "value": 0.6}, contract)
    after = world.put("policy", rules=[stricter, rule("deploy/c@prod", 1, contract)],
                      definitions={"contract": {"points": "sha256:" + "1" * 64}})  # fmt: skip
    found = world.told("policy", before, after, lines=20)
    assert found.words == "3 rules of 3 differ; 1 definition of checks"
    assert found.lines == (
        "+deploy/c@prod: contract pass, approvals 1, inconclusive hold",
        "-deploy/b@prod: inconclusive hold",
        "deploy/a@prod: +auc at least 0.6 at 95%",
        "deploy/a@prod: -auc at least 0.55 at 95%",
        "deploy/a@prod: approvals 1 -> 2",
        "contract +points sha256:" + "1" * 50 + "...",
    )


def test_time_in_a_policy_is_told_as_a_person_writes_it(world: World) -> None:
    before = world.put("policy", rules=[rule("deploy/*@prod", 1)], definitions={"contract": {}})
    soaking = {**rule("deploy/*@prod", 1), "soak_seconds": 86400, "hours": [["mon-fri 09:00-17:00 UTC"]]}
    after = world.put("policy", rules=[soaking], definitions={"contract": {}}, order={"deploy/a@prod": "staging"})
    assert world.told("policy", before, after).lines == (
        'deploy/*@prod: +hours [["mon-fri 09:00-17:00 UTC"]]',
        "deploy/*@prod: +soak 1d",
        '+order {"deploy/a@prod":"staging"}',
    )


RELEASE = {"mediaType": media.OCI_INDEX, "digest": "sha256:" + "0" * 64, "size": 2}


def deployment(world: World, **changes: Any) -> Digest:
    record: dict[str, Any] = {
        "application": "a", "environment": "prod", "target": "gateway", "scale": {"workers": 1}, "after": None, "follow": [],
        "release": RELEASE, "outcomes": {},
        "monitors": {"sentinel": {"page": 0.1, "inform": None, "window_seconds": 3600}},
        "gateway": {"budget": {"usd": 200, "window_seconds": 2592000}, "retries": 2, "prices": None, "sources": {},
                    "keys": [{"name": "team", "key": "secret://env/TEAM"}], "provider_keys": {}},
    }  # fmt: skip
    return world.put("deployment", **{**record, **changes})


def test_a_deployment_is_told_in_its_settings(world: World) -> None:
    before = deployment(world)
    prices = [
        world.put("prices", date="2026-11-23", rates={"answer/small": {"input": rate, "output": 0.6}}) for rate in (0.15, 0.3)
    ]
    gateway = world.store.get(before)["gateway"]
    assert isinstance(gateway, dict)
    after = deployment(
        world,
        scale={"workers": 3},
        after="staging",
        follow=["index/docs"],
        outcomes={"late": {"matures_seconds": 86400}},
        monitors={"sentinel": {"page": 0.2, "inform": None, "window_seconds": 3600},
                  "cost": {"page": 5, "inform": 2.5, "window_seconds": 86400}},
        soak={"seconds": 60},
        gateway={**gateway, "budget": None, "retries": 3, "keys": []},
    )  # fmt: skip
    found = world.told("deployment", before, after, lines=20)
    assert found.words == (
        "after none -> staging, scale: workers 1 -> 3, +monitor cost pages at 5 and informs at 2.5 over 1d, "
        "monitor sentinel pages at 0.1 over 1h -> pages at 0.2 over 1h and 6 more"
    )
    assert found.lines == (
        "outcome +late complete after 1d",
        "follows index/docs",
        "gateway retries 2 -> 3",
        "caller -team",
        "budget 200 usd in 30d -> none",
        '+soak {"seconds":60}',
    )
    assert world.told("deployment", before, deployment(world, release={**RELEASE, "size": 3})).words == ""
    priced = [deployment(world, gateway={**gateway, "prices": table}) for table in prices]
    told = world.told("deployment", *priced)
    assert told.words == (
        "price table: 1 price differs, answer/small: 0.15 in, 0.6 out usd per million tokens -> "
        "0.3 in, 0.6 out usd per million tokens"
    )


def test_another_provider_says_what_a_million_tokens_cost(world: World) -> None:
    releases, tables = [], []
    for name, rate in (("small", 0.15), ("large", 2.5)):
        provider = world.put("provider", model=name, parameters={})
        releases.append(put_release(world.store, [Component("provider", "answer", provider)]))
        tables.append(world.put("prices", date="2026-11-23", rates={f"answer/{name}": {"input": rate, "output": 4 * rate}}))
    (change,) = release_changes(Look(world.store), *releases, prices=(tables[0], tables[1]))
    assert change.text.endswith(": model small -> large")
    assert change.lines == ("0.15 in, 0.6 out usd per million tokens -> 2.5 in, 10 out usd per million tokens",)


def test_a_pipeline_is_told_in_parameters_and_steps(world: World) -> None:
    def pipeline(share: float, *steps: str) -> Digest:
        rows = [{"name": step.split("=")[0], "action": step} for step in steps]
        return world.put("pipeline", parameters={"share": share}, steps=rows)

    found = world.told("pipeline", pipeline(0.5, "a=1", "b=1", "c=1"), pipeline(0.75, "a=1", "b=2", "d=1"))
    assert found.words == "parameter share 0.5 -> 0.75, +step d, -step c, 1 step run again: b"


def test_a_profile_is_told_in_rows_and_columns(world: World) -> None:
    before = world.put("profile", rows=10, columns={"x": 1, "y": 2})
    after = world.put("profile", rows=1200, columns={"x": 3, "z": 2})
    assert world.told("profile", before, after).words == "10 -> 1,200 rows of reference, +z, -y, 1 column distributed otherwise"


# anything at all

NUMBERS = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
FIELDS = ("root", "lock", "entry", "steps", "parameters", "rows", "columns", "signature", "golden", "messages", "provider",
          "retrieve", "corpus", "chunks", "rates", "date", "rules", "definitions", "monitors", "outcomes", "scale", "follow",
          "gateway", "release", "target", "after", "application", "manifests", "model")  # fmt: skip
OBJECTS = st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=4), JSON, max_size=8)
KINDS = ("snapshot", "code", "environment", "pipeline", "profile", "model", "prompt", "index", "provider", "prices", "policy",
         "deployment", "verdict", "thing")  # fmt: skip


@given(st.sampled_from(KINDS), OBJECTS, OBJECTS)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_pair_of_objects_makes_a_description_fail(world: World, kind: str, one: dict[str, Any], two: dict[str, Any]) -> None:
    before, after = (world.store.put({**record, "kind": kind, "version": 1}) for record in (one, two))
    told = world.told(kind, before, after)
    assert (told == Described()) is (before == after)
    assert told.words or before == after or kind == "deployment"
    assert all("\n" not in line for line in (told.words, *told.lines))
    assert world.told(kind, before, before) == Described()


@given(JSON, JSON)
@settings(max_examples=200, deadline=None)
def test_paths_are_told_exactly_where_values_differ(one: Any, two: Any) -> None:
    assert list(json_changes(one, one)) == []
    assert bool(list(json_changes({"a": one}, {"a": two}))) is (one != two)


def test_an_object_that_is_gone_is_said_to_be(world: World) -> None:
    one, two = world.put("model", n=1), world.put("model", n=2)
    world.store.objects.path(two).unlink()
    assert world.told("model", one, two).words.startswith("not compared: ")


def test_what_comes_and_goes_is_told_as_that(world: World) -> None:
    one = world.put("model", n=1)
    look = Look(world.store)
    assert describe_change(look, "model", None, one).words.startswith("new ")
    assert describe_change(look, "model", one, None).words.startswith("removed (was ")

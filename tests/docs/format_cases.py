"""Every stored format made once by the code from fixed inputs: what docs/format-vectors.json records.

`python tests/docs/format_cases.py` writes the file anew; a changed vector is a changed format, so a person reads the diff.
Time, ids and the signing key are fixed; the key is for tests alone and trusted nowhere.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from format_answering import answering_vectors
from format_rows import row_hash_vectors

from shipway.access import Actor, KeyRing, LocalSigner, Signer, TrustedKey
from shipway.data import InPlace, reference_profile, take_snapshot
from shipway.data._listing import Entry, put_in_place
from shipway.environment import environment_object
from shipway.environment._kept import wheels_object
from shipway.gate import DEFAULT_POLICY, MoveRefused, attest, load_policy, move_ref, policy_object, seal
from shipway.kernel import media
from shipway.kernel.canonical import JsonObject, canonical_json, parse_object, text_of_name
from shipway.kernel.check import Check, Verdict
from shipway.kernel.clock import instant
from shipway.kernel.digest import Descriptor, Digest, digest_bytes
from shipway.kernel.units import Seconds
from shipway.models import Column, Signature, encode_columns, functions_blob, golden_blob, model_object
from shipway.pipeline import (
    RunRequest,
    StepControl,
    action_key,
    closure_bytes,
    code_object,
    put_run_plan,
    read_pipeline,
    resolve,
)
from shipway.pipeline._request import StepOutcome, pipeline_object
from shipway.pipeline.dvc import Stage, StageOut, StagePath, StageRun
from shipway.pipeline.dvc._parts import Part, put_parts
from shipway.pipeline.dvc._record import stage_action, stages_object
from shipway.release import Component, Equality, Rebuilt, deployment_object, make_plan, put_release
from shipway.release._manifest import component_manifest
from shipway.release._planned import plan_object
from shipway.release._rebuild_compare import MetricCompared, PredictionsCompared
from shipway.release._rebuild_show import Difference
from shipway.spec import Condition, Each, OutcomeSpec, Spec, StepSpec, parse_contract, parse_spec
from shipway.store import OutcomeRecord, PredictionRecord, SegmentWriter, Store, TreeFile, encode_record, open_store

NOW = datetime(2026, 11, 23, 12, 0, 0, 250_000, tzinfo=UTC)
NOW_US = 1_795_435_200_250_000
SEED = bytes(range(32))
ANN = Actor("ann@example.org", frozenset({"admin"}))
_LINES = {"rows.csv": b"1\n2\n", "count.txt": b"2\n"}
LOCK = b"polars==1.35.0 \\\n    --hash=sha256:" + b"0" * 64 + b"\n"
SOURCE = """\
import polars as pl
from sklearn.linear_model import LogisticRegression

LIMIT = 3  # rows


def train(points: pl.DataFrame, share: float) -> pl.DataFrame:
    return points.head(int(points.height * share) + LIMIT)


def reference(points: pl.DataFrame) -> pl.DataFrame:
    return points.tail(LIMIT)


def model(train: pl.DataFrame) -> LogisticRegression:
    return LogisticRegression().fit(train[["x"]].to_numpy(), train["late"].to_numpy())
"""
SPEC = """\
project: points
data:
  points:
    path: data
    contract:
      rows: {at_least: 2}
      unique: [id]
      columns:
        id: {type: string, nulls: none}
        x: {type: number, between: [0, 10], nulls: at most 5%}
        late: {type: integer, one_of: [0, 1]}
pipeline: steps.py
parameters: {share: 0.5}
models:
  model: {target: late, key: id}
outcomes:
  late: {matures: 1d}
deploy:
  model@prod: {}
policy:
  deploy/model@prod:
    contract: pass
    auc: [at least 0.55, not worse by 0.02 at 90%]
    approvals: 1
    inconclusive: ask
"""
RULES = """\
project: points
deploy:
  model@staging: {}
  model@prod: {after: staging}
policy:
  deploy/*@prod:
    import.tests: pass
    import.latency_ms: at most 200
    approvals: [2, {count: 1, role: release-manager}]
    author_approves: no
    evidence_within: 30d
    hours: [mon-fri 09:00-17:00 Europe/Berlin, sat 10:00-12:00 Europe/Berlin]
    freeze: [2026-12-20..2027-01-02]
    soak: 24h
  policy/main: {approvals: 1, observe: yes}
"""


class Vector(NamedTuple):
    """The bytes of one stored thing; `text` says whether they are shown as text (canonical JSON) or in hexadecimal."""

    data: bytes
    text: bool = True


class FixedClock:
    """It is always NOW."""

    def now(self) -> datetime:
        return NOW


class CountedIds:
    """The first id, then the second."""

    def __init__(self) -> None:
        self._count = 0

    def new(self) -> str:
        self._count += 1
        return f"{self._count:032x}"


def fixed_signer() -> Signer:
    return LocalSigner(Ed25519PrivateKey.from_private_bytes(SEED))


def make_vectors(root: Path) -> dict[str, Vector]:
    """Every vector by name, made below an empty folder."""
    store = open_store(root / "store", "points", create=True, clock=FixedClock(), ids=CountedIds())
    spec = parse_spec(SPEC, path="shipway.yaml")
    found = {**_plain(), **_folders(store, root), **_columns()}
    objects = _objects(store, root, spec)
    found |= {name: Vector(store.objects.get(digest)) for name, digest in objects.items()}
    found |= _release(store, spec, objects)
    found |= _evidence(store, spec)
    return found | _logs(root) | _answering(root)


def _answering(root: Path) -> dict[str, Vector]:
    """What an application that answers a prompt adds, in a project of its own."""
    store = open_store(root / "assistant", "assistant", create=True, clock=FixedClock(), ids=CountedIds())
    found = answering_vectors(store, fixed_signer(), ANN, root / "answering")
    return {name: Vector(data, text) for name, (data, text) in found.items()}


def _plain() -> dict[str, Vector]:
    values: dict[str, JsonObject] = {
        "canonical-numbers": {"whole": 1.0, "zero": -0.0, "large": 1e21, "small": 1e-7, "tenth": 0.1, "edge": 2**53 - 1},
        "canonical-beyond-2^53": {"n": 2**53, "minus": -(2**60)},
        "canonical-order": {"é": "ü", "b": [True, None], "a": {"z": 1, "y": "\n\u2028"}, "\U0001f600": 0, "\ufb33": 0},
        "canonical-names": {"names": [text_of_name(name) for name in (b"caf\xc3\xa9", b"\xff", b"base64:x")]},
        "policy-default": DEFAULT_POLICY,
    }
    return {"empty": Vector(b"")} | {name: Vector(canonical_json(value)) for name, value in values.items()}


def _folders(store: Store, root: Path) -> dict[str, Vector]:
    folder = root / "folder"
    (folder / "bin").mkdir(parents=True)
    (folder / "a.txt").write_bytes(b"hello\n")
    (folder / "bin" / "go").write_bytes(b"#!/bin/sh\n")
    (folder / "bin" / "go").chmod(0o755)
    (folder / "a.txt").chmod(0o644)
    tree, _ = store.put_tree(folder)
    nodes = [data for _, data in store.tree_nodes(tree.digest)]
    snapshot = take_snapshot(store, folder)
    return {
        "tree-root": Vector(nodes[0]),
        "tree-below": Vector(nodes[1]),
        "snapshot": Vector(store.objects.get(snapshot.digest)),
        **_in_place(store),
    }


def _in_place(store: Store) -> dict[str, Vector]:
    month = Entry("2013/01.parquet", 2048, tag='"9f8e"', version="3sL4kqtJlcpXroDTDmJ")
    found = InPlace("s3", "s3://acme/flights", (month, Entry("notes.txt", 12, tag='"77a0"')))
    snapshot = put_in_place(store, found, name="flights").digest
    listing = Descriptor.from_json(store.get(snapshot)["listing"])
    return {
        "snapshot-in-place": Vector(store.objects.get(snapshot)),
        "listing": Vector(store.objects.get(listing.digest)),
    }


def _stages(store: Store) -> dict[str, Digest]:
    """A stage of dvc.yaml that counts the lines of a file, its action and the run of it."""
    rows, count = (TreeFile(name, store.put_bytes(data, media.BYTES).digest, len(data), False) for name, data in _LINES.items())
    params = {"params.yaml": {"lr": 1.0}}
    cmd = "wc -l < data/rows.csv > count.txt"
    stage = Stage(
        "count", (cmd,), cmd, "", (StagePath("data", "data"),), params, (StageOut("count.txt", "count.txt"),), False, False, ""
    )
    deps, outs = (Part("data", True, (rows,)),), (Part("count.txt", False, (count,)),)
    action = store.put(stage_action(store, stage, deps, environment=None, shell="/bin/sh"))
    run = StageRun(stage, action, deps, outs, put_parts(store, outs), False, 0.25)
    code = store.put({"kind": "code", "version": 1, "entry": "dvc.yaml", "root": store.put_listing(()).to_json()})
    return {"stage-action": action, "stages": store.put(stages_object(store, "dvc.yaml", [run], code=code, environment=None))}


def _columns() -> dict[str, Vector]:
    columns = {
        "n": np.array([1, 2], np.int64),
        "x": np.array([0.5, np.nan]),
        "late": np.array([True, False]),
        "carrier": np.array(["UA", None], dtype=object),
    }
    answer = {"probability": np.array([0.25, 0.75])}
    return {
        "columns": Vector(encode_columns(columns), text=False),
        "columns-empty": Vector(encode_columns({}), text=False),
        "functions": Vector(functions_blob({"features.py": 'def fill(columns):\n    return {"x": columns["x"]}\n'})),
        "golden": Vector(golden_blob({"x": np.array([0.5, 1.5])}, answer)),
    }


def _objects(store: Store, root: Path, spec: Spec) -> dict[str, Digest]:
    """code, environment, closure, pipeline, model, profile, contract, policy: each in the store."""
    project = root / "project"
    (project / "data").mkdir(parents=True)
    (project / "steps.py").write_text(SOURCE)
    (project / "data" / "points.csv").write_text("id,x,late\na,1,0\nb,2,1\n")
    environment = store.put(environment_object(lock=store.put_bytes(LOCK, media.TEXT), python="3.11"))
    data = take_snapshot(store, project / "data").digest
    contracts = {name: found.contract for name, found in spec.data.items() if found.contract}
    request = RunRequest(code_object(store, project, "steps.py"), {"points": data}, environment, {"share": 0.5})
    return {
        "data": data,
        "code": request.code,
        "environment": environment,
        "wheels": store.put(_wheels(store)),
        **_pipeline(store, project, request),
        **_run_plan(store, spec, request),
        **_stages(store),
        "model": store.put(_model(store)),
        "profile": store.put(_profile()),
        "contract": store.put(contracts["points"].to_json()),
        "contract-file": store.put(parse_contract("rows: {at_most: 5}\nunique: [[b, a], [c]]\n", path="c").to_json()),
        "policy": store.put(policy_object(store, spec.policy, contracts)),
    }


def _wheels(store: Store) -> JsonObject:
    files = {"polars-1.35.0-py3-none-any.whl": store.put_bytes(b"the bytes of a wheel", media.WHEEL)}
    return wheels_object(digest_bytes(LOCK), platform="linux-x86_64-glibc-3.11", files=files)


def _pipeline(store: Store, project: Path, request: RunRequest) -> dict[str, Digest]:
    """A step's closure and action, and the pipeline object of a run whose steps have given these bytes."""
    pipeline = read_pipeline(project, "steps.py")
    environment, graph = request.environment, resolve(pipeline, data=request.data, parameters=request.parameters)
    source = closure_bytes(pipeline, pipeline.step("train"))
    inputs: dict[str, JsonObject] = {"points": {"data": request.data["points"]}, "share": {"parameter": 0.5}}
    outcomes = []
    for node in graph.nodes:
        output = store.put_bytes(node.step.name.encode(), media.PARQUET)
        action = action_key(node.step, closure=store.objects.put(source), inputs=inputs, environment=environment, runner="v1")
        outcomes.append(StepOutcome(node.step.name, action, output, False, 1.0))
    action_record: JsonObject = {
        "kind": "action", "version": 1, "step": "train", "closure": store.objects.put(source), "codec": "polars.frame",
        "inputs": inputs, "environment": environment, "runner": "v1",
    }  # fmt: skip
    action = store.put(action_record)
    assert action == outcomes[0].action, "the record that the page shows is the one that the code hashes"
    return {
        "closure": store.objects.put(source),
        "action": action,
        "pipeline": store.put(pipeline_object("steps.py", graph, request, outcomes)),
    }


def _run_plan(store: Store, spec: Spec, request: RunRequest) -> dict[str, Digest]:
    """A run plan with every option of a step, and what a task tells of a list."""
    options = {
        "reference": StepSpec(name="reference", when=Condition(step="train", operator=">=", literal=0.5)),
        "train": StepSpec(
            name="train", retries=2, timeout=Seconds(1800.0), cpu=0.5, memory=2**29, gpu=1, group="fit",
            each=Each(argument="share", source="shares"),
        ),
    }  # fmt: skip
    plan = put_run_plan(store, spec, replace(request, parameters={"shares": [0.25, 0.5]}, options=options))
    return {"run-plan": plan, "step-control": store.put(StepControl(plan, "shares", length=2).to_json())}


def _model(store: Store) -> JsonObject:
    rows = {"x": np.array([0.5, 1.5])}
    golden = golden_blob(rows, {"probability": np.array([0.25, 0.75])})
    return model_object(
        format="skops",
        file=store.put_bytes(b"the bytes of a model", media.SKOPS),
        signature=Signature((Column("x", "FP64"),), (Column("probability", "FP64"),)),
        golden=store.put_bytes(golden, media.media_type("golden")),
        key=["id"],
        time=None,
        target="late",
        step="model",
        reference="reference",
    )


def _profile() -> JsonObject:
    table = {"x": np.array([0.0, 1.0, 2.0, np.nan]), "carrier": np.array(["UA", "UA", "B6", None], dtype=object)}
    score, label = np.array([0.125, 0.25, 0.5, 0.75]), np.array([0.0, 0.0, 1.0, np.nan])
    return reference_profile(table, score=score, label=label).to_json()


def _release(store: Store, spec: Spec, objects: dict[str, Digest]) -> dict[str, Vector]:
    kinds = {"code": "", "data": "points", "environment": "", "model": "model", "pipeline": "model", "profile": "model"}
    components = [Component(kind, name, objects[kind]) for kind, name in kinds.items()]
    manifests: dict[str, JsonObject] = {
        f"manifest-{component.kind}": component_manifest(store, component) for component in components
    }
    release = put_release(store, components)
    outcomes: dict[str, OutcomeSpec] = dict(spec.outcomes)
    deployment = store.put(deployment_object(store, release, spec.deploy["model@prod"], outcomes))
    return {
        **{name: Vector(canonical_json(manifest)) for name, manifest in manifests.items()},
        "release": Vector(store.objects.get(release)),
        "deployment": Vector(store.objects.get(deployment)),
        "plan": Vector(_plan(store, spec, release, objects["policy"])),
        "verdict-passed": Vector(_verdict(store, "model/model", objects["model"])),
        "verdict-refused": Vector(_refused(store, objects["policy"], deployment)),
        "verdict-forced": Vector(_forced(store, deployment)),
        "policy-rules": Vector(canonical_json(_rules(store))),
    }


def _rules(store: Store) -> JsonObject:
    """A policy in which everything is said."""
    spec = parse_spec(RULES, path="shipway.yaml")
    order = {f"deploy/{name}": deploy.after for name, deploy in spec.deploy.items() if deploy.after}
    return policy_object(store, spec.policy, {}, order=order)


def _plan(store: Store, spec: Spec, release: Digest, policy: Digest) -> bytes:
    """A plan that publishes a policy first."""
    deploy, judge = spec.deploy["model@prod"], load_policy(store, policy)
    plan = make_plan(store, KeyRing([]), ANN, spec, deploy, release=release, policy=judge)
    plan = replace(plan, changes=plan.changes[:1])
    return canonical_json(plan_object(store.project, plan, at=NOW, actor=ANN.name, shipway="0.1.0"))


def _verdict(store: Store, ref: str, target: Digest) -> bytes:
    moved = move_ref(store, KeyRing([]), ANN, ref=ref, target=target)
    return store.objects.get(moved.verdict)


def _refused(store: Store, policy: Digest, deployment: Digest) -> bytes:
    move_ref(store, _ring(), ANN, ref="policy/main", target=policy)
    try:
        move_ref(store, KeyRing([]), ANN, ref="deploy/model@prod", target=deployment)
    except MoveRefused:
        verdict = store.history("deploy/model@prod")[0].verdict
        assert verdict is not None
        return store.objects.get(verdict)
    raise AssertionError("a move without evidence passed")


def _forced(store: Store, deployment: Digest) -> bytes:
    moved = move_ref(store, KeyRing([]), ANN, ref="deploy/model@prod", target=deployment, why="the site is down", force=True)
    return store.objects.get(moved.verdict)


def _ring() -> KeyRing:
    """The signer's key, trusted: without one the policy would lock everybody out."""
    signer = fixed_signer()
    return KeyRing([TrustedKey(signer.key_id, "ann", frozenset({"admin"}), signer.algorithm, public=signer.public)])


def _evidence(store: Store, spec: Spec) -> dict[str, Vector]:
    """A statement of each predicate about one digest, and the envelope of the first."""
    subject = store.put({"kind": "thing", "version": 1})
    check = Check("auc", Verdict.INCONCLUSIVE, 0.75, 0.5, 1.0, n=4, text="held-out reference", level=0.95)
    tool: JsonObject = {"name": "shipway", "version": "0.1.0"}
    scores = Descriptor(media.PARQUET, subject, 20).to_json()
    predicates: dict[str, tuple[str, JsonObject]] = {
        "statement-check": (
            media.CHECK_PREDICATE,
            {"check": check.to_json(), "at": instant(NOW), "by": ANN.name, "tool": tool, "level": 0.95, "scores": scores,
             "clusters": 2},
        ),
        "statement-approval": (media.APPROVAL_PREDICATE, {"approver": ANN.name, "why": "looked at it", "at": instant(NOW)}),
        "statement-revocation": (
            media.REVOCATION_PREDICATE,
            {"by": ANN.name, "why": "leaks names", "lifted": False, "at": instant(NOW)},
        ),
        "statement-rebuild": (
            media.REBUILD_PREDICATE,
            {"equality": "EQUAL (bytes)", "model": subject, "different": None, "at": instant(NOW)},
        ),
        "statement-rebuild-measured": (media.REBUILD_PREDICATE, {**_rebuilt(subject).to_json(), "at": instant(NOW)}),
    }  # fmt: skip
    found: dict[str, Vector] = {}
    for name, (kind, predicate) in predicates.items():
        envelope = attest(
            store, fixed_signer(), subject=subject, name="model/model", predicate_type=kind, predicate=predicate, label="auc"
        )
        record = parse_object(store.objects.get(envelope))
        found[name] = Vector(_payload(str(record["payload"])))
        found[name.replace("statement", "envelope")] = Vector(store.objects.get(envelope))
    assert spec.project == store.project
    found["envelope-small"] = Vector(seal(fixed_signer(), b"{}"))
    return found


def _rebuilt(subject: Digest) -> Rebuilt:
    """A rebuild with other packages whose metrics agree."""
    return Rebuilt(
        Equality.METRICS,
        subject,
        subject,
        Path(),
        Difference("environment", "", "environment 1 was replaced by 2: polars 1.35.0 -> 1.36.0", ("polars 1.35.0 -> 1.36.0",)),
        PredictionsCompared(64, 60, 0.125, 0.0625),
        (MetricCompared("auc", 0.75, 0.7509765625, 0.005),),
        environment=subject,
    )


def _payload(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _logs(root: Path) -> dict[str, Vector]:
    prediction = PredictionRecord(
        request="2013-02-01-0", release="sha256:" + "1" * 64, deployment="sha256:" + "2" * 64, arm="live", recorded=NOW_US,
        rows=2, columns=encode_columns({"x": np.array([0.5, 1.5])}),
        outputs=encode_columns({"probability": np.array([0.25, 0.75])}), latency_us=300,
    )  # fmt: skip
    outcome = OutcomeRecord(
        recorded=NOW_US, rows=1, ids=["2013-02-01-0:1"], names=["late"], values=[1.0], times=["2013-02-02T09:15:00"]
    )
    records = {name: encode_record(record) for name, record in
               (("record-prediction", prediction), ("record-outcome", outcome))}  # fmt: skip
    segment, counts = _segment(root / "log", records["record-outcome"])
    found = {name: Vector(data, text=False) for name, data in records.items()}
    return {**found, "segment": Vector(segment, text=False), "count-file": Vector(counts, text=False)}


def _segment(folder: Path, payload: bytes) -> tuple[bytes, bytes]:
    """The bytes of a sealed segment of two frames, and of the count file after them, before the sealing."""
    writer = SegmentWriter(folder, "w", now_us=lambda: NOW_US, rotate_seconds=3600)
    writer.append_durable(b"opaque", 2)
    writer.append_durable(payload, 1)
    counts = (folder / "w.count").read_bytes()
    writer.close()
    (segment,) = folder.glob("w-*.seg")
    return segment.read_bytes(), counts


def as_record(vector: Vector) -> dict[str, str | int]:
    """The vector as the file holds it."""
    shown = {"text": vector.data.decode()} if vector.text else {"hex": vector.data.hex()}
    return {**shown, "size": len(vector.data), "digest": "sha256:" + hashlib.sha256(vector.data).hexdigest()}


def main() -> None:
    """Write docs/format-vectors.json."""
    with tempfile.TemporaryDirectory() as folder:
        vectors = make_vectors(Path(folder))
    rows = {name: as_record(vector) for name, vector in sorted(vectors.items())}
    document = {
        "kind": "format-vectors",
        "version": 1,
        "ed25519_seed": SEED.hex(),
        "row_hash": row_hash_vectors(),
        "vectors": rows,
    }
    path = Path(__file__).parents[2] / "docs" / "format-vectors.json"
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    sys.stdout.write(f"{len(rows)} vectors\n")


if __name__ == "__main__":
    main()

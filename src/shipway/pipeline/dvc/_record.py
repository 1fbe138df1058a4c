"""What a run of stages was, as an object, and dvc.lock rendered from it: the same facts, here by SHA-256, there by MD5."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from shipway.data.dvc import (
    Date,
    DvcMalformed,
    DvcOut,
    as_group,
    as_sequence,
    describe_files,
    hash_fields,
    parse_out,
    plain,
    read_yaml,
    render_yaml,
)
from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.digest import Descriptor, Digest
from shipway.pipeline.dvc._parts import Part, part_of
from shipway.pipeline.dvc._types import Stage, StageOut, StagePath
from shipway.store import ObjectUnexpected, Store

LATEST = "stages"  # state rows: the newest run by the path of its dvc.yaml


@dataclass(frozen=True, slots=True)
class StageRun:
    """A stage that was run, or whose value was known: its deps and outs as they were, and their tree as one value."""

    stage: Stage
    action: Digest
    deps: tuple[Part, ...]
    outs: tuple[Part, ...]
    output: Descriptor
    cached: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class LockEntry:
    """What dvc.lock says of a stage. deps: by path as written."""

    cmd: Json
    deps: Mapping[str, DvcOut] = field(default_factory=dict)
    params: Mapping[str, Json] = field(default_factory=dict)
    outs: tuple[DvcOut, ...] = ()


def stage_action(store: Store, stage: Stage, deps: Sequence[Part], *, environment: Digest | None, shell: str) -> JsonObject:
    """What determines the value of a stage: an action, with `stage` in the place of a step."""
    return {
        "kind": "action", "version": 1, "stage": stage.name, "commands": list(stage.commands), "folder": stage.folder,
        "deps": {part.path: part.content(store) for part in deps}, "params": params_text(stage.params),
        "outs": [out.path for out in stage.outs], "environment": environment, "shell": shell.rpartition("/")[2],
    }  # fmt: skip


def stages_object(
    store: Store, entry: str, runs: Sequence[StageRun], *, code: Digest, environment: Digest | None
) -> JsonObject:
    """`{"kind":"stages","version":1,"entry","code","environment","stages"}`: each stage with its paths, texts and digests."""
    return {
        "kind": "stages",
        "version": 1,
        "entry": entry,
        "code": code,
        "environment": environment,
        "stages": [_stage_record(store, run) for run in runs],
    }


def load_runs(store: Store, digest: Digest) -> list[StageRun]:
    """The stages of a stages object. Raises ObjectMissing, ObjectDamaged, ObjectUnexpected."""
    record = store.get(digest, "stages")
    if record.get("version") != 1:
        raise ObjectUnexpected(f"{digest} is a run of stages of version {record.get('version')}, not 1", mend="upgrade Shipway")
    return [_stage_run(store, row) for row in cast("Sequence[Mapping[str, Json]]", record["stages"])]


def params_text(params: Mapping[str, Mapping[str, Json]]) -> str:
    """Parameters as JSON text, which keeps 1.0 apart from 1; a day is a group with the one key `!day`.

    >>> params_text({"params.yaml": {"lr": 1.0}})
    '{"params.yaml": {"lr": 1.0}}'
    """
    return json.dumps(_marked(params), ensure_ascii=False)


def _marked(value: Json) -> Json:
    if isinstance(value, Mapping):
        return {name: _marked(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_marked(item) for item in value]
    return {"!day": str.__str__(value)} if isinstance(value, Date) else value


def _unmarked(found: dict[str, Json]) -> Json:
    return Date(found["!day"]) if found.keys() == {"!day"} else found


def lock_fields(store: Store, run: StageRun) -> dict[str, Json]:
    """What dvc.lock says of a stage, in DVC's order. Raises ObjectMissing."""
    fields: dict[str, Json] = {"cmd": run.stage.cmd}
    if run.stage.deps:
        fields["deps"] = [_described(store, dep, part) for dep, part in zip(run.stage.deps, run.deps, strict=True)]
    if run.stage.params:
        fields["params"] = {name: dict(values) for name, values in run.stage.params.items()}
    if run.stage.outs:
        fields["outs"] = [_described(store, out, part) for out, part in zip(run.stage.outs, run.outs, strict=True)]
    return fields


def render_lock(store: Store, runs: Sequence[StageRun], before: str, path: str) -> str:
    """dvc.lock with what these stages are now; others stay, and so does their order. Raises DvcMalformed."""
    root = read_yaml(before, path)
    known = plain(root)
    assert isinstance(known, Mapping)
    stages = known.get("stages") or {}
    if not isinstance(stages, Mapping):
        raise DvcMalformed(f"the stages of {path} are no group", where=path)
    changed = [run for run in runs if not (run.stage.frozen and run.stage.name in stages)]  # DVC locks no frozen one anew
    now = {run.stage.name: lock_fields(store, run) for run in changed}
    merged = {**stages, **now}
    if dict(stages) == merged and known.get("schema") == "2.0":
        return before
    return render_yaml({**known, "schema": "2.0", "stages": merged})


def read_lock(text: str, path: str, folders: Mapping[str, str]) -> dict[str, LockEntry]:
    """The entries of dvc.lock of these stages. folders: where each runs. Raises DvcMalformed, DvcUnsupported."""
    top = as_group(read_yaml(text, path), path)
    if "schema" in top and top["schema"].value != "2.0":
        raise DvcMalformed(f"{path} is of schema {top['schema'].shown()}, not 2.0", where=top["schema"].where)
    found: dict[str, LockEntry] = {}
    for name, node in (as_group(top["stages"], "stages") if "stages" in top else {}).items():
        if name not in folders:
            continue
        entry, folder = as_group(node, f"the stage {name}"), folders[name]
        if "cmd" not in entry:
            raise DvcMalformed(
                f"the stage {name} of {path} has no cmd: it is cut", where=node.where, mend=f"git checkout -- {path}"
            )
        deps = {}
        for item in as_sequence(entry["deps"], "deps") if "deps" in entry else ():
            fields = as_group(item, "a dep")
            if "md5" in fields and "path" in fields:
                deps[str(fields["path"].value)] = parse_out(item, folder)
        params = plain(entry["params"]) if "params" in entry else {}
        outs = tuple(parse_out(item, folder) for item in as_sequence(entry["outs"], "outs")) if "outs" in entry else ()
        found[name] = LockEntry(plain(entry["cmd"]), deps, cast("JsonObject", params), outs)
    return found


def _described(store: Store, path: StagePath, part: Part) -> dict[str, Json]:
    out = describe_files(store, part.files, part.path, folder=part.folder)
    return {"path": path.written, "hash": "md5", **hash_fields(out)}


def _stage_record(store: Store, run: StageRun) -> JsonObject:
    stage = run.stage
    return {
        "name": stage.name,
        "cmd": stage.cmd,
        "commands": list(stage.commands),
        "folder": stage.folder,
        "action": run.action,
        "output": run.output.to_json(),
        "params": params_text(stage.params),
        "deps": [
            {"path": dep.path, "written": dep.written, "folder": part.folder, "tree": store.put_listing(part.files).digest}
            for dep, part in zip(stage.deps, run.deps, strict=True)
        ],
        "outs": [
            {"path": out.path, "written": out.written, "folder": part.folder, "cached": out.cached, "persist": out.persist}
            for out, part in zip(stage.outs, run.outs, strict=True)
        ],
        **({"frozen": True} if stage.frozen else {}),
    }


def _stage_run(store: Store, row: Mapping[str, Json]) -> StageRun:
    texts = {key: str(row[key]) for key in ("name", "folder", "action", "params")}
    given, made = (cast("Sequence[Mapping[str, Json]]", row[key]) for key in ("deps", "outs"))
    output = Descriptor.from_json(cast("JsonObject", row["output"]))
    files = sorted(store.tree(output.digest), key=lambda file: file.path)
    params = json.loads(texts["params"], object_hook=_unmarked)
    stage = Stage(
        texts["name"],
        tuple(str(command) for command in cast("Sequence[str]", row["commands"])),
        row["cmd"],
        texts["folder"],
        tuple(StagePath(str(dep["path"]), str(dep["written"])) for dep in given),
        cast("Mapping[str, Mapping[str, Json]]", params),
        tuple(StageOut(str(out["path"]), str(out["written"]), bool(out["cached"]), bool(out["persist"])) for out in made),
        frozen=row.get("frozen") is True,
        always=False,
        where=texts["name"],
    )
    deps = tuple(
        Part(
            str(dep["path"]),
            bool(dep["folder"]),
            tuple(sorted(store.tree(Digest(str(dep["tree"]))), key=lambda file: file.path)),
        )
        for dep in given
    )
    outs = tuple(part_of(files, out.path) for out in stage.outs)
    return StageRun(stage, Digest(texts["action"]), deps, outs, output, True, 0.0)

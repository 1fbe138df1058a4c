"""What made a model, as SLSA Provenance (predicate v1): the run's inputs are its resolved dependencies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

from shipway import __version__
from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.clock import instant
from shipway.kernel.digest import Descriptor, Digest

BUILD_TYPE = "https://shipway.dev/run/v1"
_BUILDER = "https://shipway.dev/local/"


@dataclass(frozen=True, slots=True)
class Made:
    """A run as its provenance tells it. record: the pipeline object; commit: None outside a Git checkout; dirty: whether the
    folder differed from it; trees: of data in place, the bytes that the steps were given, by the data's name.
    """

    project: str
    pipeline: Digest
    record: JsonObject
    actor: str
    host: str
    invocation: str
    started: datetime
    finished: datetime
    profile: Digest
    scores: Descriptor
    commit: str | None = None
    dirty: bool | None = None
    trees: Mapping[str, str] = field(default_factory=dict)


def provenance(made: Made) -> JsonObject:
    """The predicate: what was asked for, what it was made from, by whom and when, and what else came out."""
    return {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {
                "project": made.project,
                "pipeline": made.pipeline,
                "parameters": made.record["parameters"],
            },
            "internalParameters": {"actor": made.actor, "git": {"commit": made.commit, "dirty": made.dirty}},
            "resolvedDependencies": _dependencies(made),
        },
        "runDetails": {
            "builder": {"id": _BUILDER + made.host, "version": {"shipway": __version__}},
            "metadata": {
                "invocationId": made.invocation,
                "startedOn": instant(made.started),
                "finishedOn": instant(made.finished),
            },
            "byproducts": [
                {"name": "pipeline", "digest": _sha256(made.pipeline)},
                {"name": "profile", "digest": _sha256(made.profile)},
                {"name": "scores", "digest": _sha256(made.scores.digest), "mediaType": made.scores.media_type},
            ],
        },
    }


def _dependencies(made: Made) -> list[Json]:
    """Code, environment and data by the digest of their objects; the commit by Git's own."""
    data = cast("Mapping[str, Json]", made.record["data"])
    locked = {"code": made.record["code"], "environment": made.record["environment"]}
    named = {**locked, **{f"data/{name}": data[name] for name in data}}
    trees: dict[str, JsonObject] = {f"data/{name}": {"annotations": {"tree": tree}} for name, tree in made.trees.items()}
    found: list[Json] = [{"name": name, "digest": _sha256(str(one)), **trees.get(name, {})} for name, one in named.items()]
    if made.commit:
        changed = {"annotations": {"dirty": True}} if made.dirty else {}
        found.append({"name": "git", "digest": {"gitCommit": made.commit}, **changed})
    return found


def _sha256(digest: str) -> JsonObject:
    return {"sha256": digest.removeprefix("sha256:")}

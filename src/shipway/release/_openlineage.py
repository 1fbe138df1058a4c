"""Runs as OpenLineage events (spec 2-0-2): what catalogues such as Marquez or DataHub read. Values only, nothing is sent here.

A run of a model is a run of the job `model/NAME` in the namespace of the project. Data sets and models are datasets of the
namespace `shipway://PROJECT`, each with its digest as version.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from shipway import __version__
from shipway.access import KeyRing
from shipway.gate import Statement, explain_row
from shipway.kernel import media
from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.clock import instant, parse_instant
from shipway.kernel.digest import Digest, is_digest
from shipway.pipeline import MADE
from shipway.release._facts import text_at
from shipway.release._sources import thing_at
from shipway.store import Store

PRODUCER = f"https://shipway.dev/release/{__version__}"
_SPEC, _FACETS = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/", "https://openlineage.io/spec/facets/"
_VERSIONS = {  # the version of each facet's schema
    "ProcessingEngineRunFacet": "1-1-1",
    "TagsRunFacet": "1-0-0",
    "ErrorMessageRunFacet": "1-0-1",
    "JobTypeJobFacet": "2-0-4",
    "DatasetVersionDatasetFacet": "1-0-1",
    "InputStatisticsInputDatasetFacet": "1-0-0",
    "OutputStatisticsOutputDatasetFacet": "1-0-2",
}


class Used(NamedTuple):
    """A thing that went into a run or came out of it, by its name here and its digest; None where it is not known yet."""

    name: str
    digest: Digest | None


@dataclass(frozen=True, slots=True)
class Run:
    """A run that made a model, or tried to. id: a UUID; tags: what the standard has no place for; problem: of a failed one."""

    id: str
    job: str
    started: datetime
    finished: datetime
    inputs: tuple[Used, ...] = ()
    outputs: tuple[Used, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    problem: str = ""


def recorded_runs(store: Store, keys: KeyRing, *, since: datetime | None = None) -> list[Run]:
    """Every run of this project that signed provenance tells of, in the order in which they ended; since: not before then."""
    now, found = store.clock.now(), []
    for row in store.states(MADE):
        name = str(row.value["name"])
        for evidence in store.evidence(Digest(row.key)):
            if evidence.predicate == media.PROVENANCE_PREDICATE:
                statement = explain_row(store, keys, evidence, now).statement
                found += [_run(store, name, statement)] if statement else []
    return sorted((run for run in found if since is None or run.finished >= since), key=lambda run: (run.finished, run.id))


def run_events(store: Store, runs: Iterable[Run]) -> Iterator[JsonObject]:
    """START and COMPLETE, or START and FAIL, of each run. Looks into the store for sizes of what is there."""
    for run in runs:
        yield _event(store, run, "START", run.started, outputs=False)
        yield _event(store, run, "FAIL" if run.problem else "COMPLETE", run.finished, outputs=not run.problem)


def run_uuid(text: str) -> str:
    """An id of ours as a UUID with dashes; of an id that is none, a UUID that is a function of it.

    >>> run_uuid("0193a1c200007000800000000000abcd")
    '0193a1c2-0000-7000-8000-00000000abcd'
    """
    try:
        return str(uuid.UUID(hex=text))
    except ValueError:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, text))


def _run(store: Store, name: str, made: Statement) -> Run:
    said = made.predicate
    build, details = (_mapping(said.get(key)) for key in ("buildDefinition", "runDetails"))
    inputs, tags = [], [("actor", text_at(build, "internalParameters", "actor"))]
    for entry in _list(build.get("resolvedDependencies")):
        label, sha256 = text_at(entry, "name"), f"sha256:{text_at(entry, 'digest', 'sha256')}"
        if label.startswith("data/") and is_digest(sha256):
            inputs.append(Used(label, Digest(sha256)))
        else:
            tags.append((label, sha256 if is_digest(sha256) else text_at(entry, "digest", "gitCommit")))
    model = thing_at(store, made.subject).record or {}
    inputs += [Used(text_at(one, "name"), _digest(one)) for one in [model.get("base"), *_list(model.get("adapters"))] if one]
    profile = next((one for one in _list(details.get("byproducts")) if text_at(one, "name") == "profile"), None)
    outputs = [Used(f"model/{name}", made.subject)]
    outputs += [Used(f"profile/{name}", Digest(f"sha256:{text_at(profile, 'digest', 'sha256')}"))] if profile else []
    started = text_at(details, "metadata", "startedOn")
    return Run(
        run_uuid(text_at(details, "metadata", "invocationId") or made.envelope),
        f"model/{name}",
        parse_instant(started) if started else made.at,
        made.at,
        tuple(inputs),
        tuple(outputs),
        tuple((key, value) for key, value in tags if value),
    )


def _event(store: Store, run: Run, kind: str, at: datetime, *, outputs: bool) -> JsonObject:
    facets: dict[str, Json] = {
        "processing_engine": _facet("ProcessingEngineRunFacet", {"version": __version__, "name": "shipway"}),
    }
    if run.tags:
        tags: list[Json] = [{"key": key, "value": value, "source": "SHIPWAY"} for key, value in run.tags]
        facets["tags"] = _facet("TagsRunFacet", {"tags": tags})
    if kind == "FAIL":
        facets["errorMessage"] = _facet("ErrorMessageRunFacet", {"message": run.problem, "programmingLanguage": "PYTHON"})
    job = {"processingType": "BATCH", "integration": "SHIPWAY", "jobType": "JOB"}
    made: list[Json] = [_dataset(store, one, output=True) for one in run.outputs] if outputs else []
    return {
        "eventType": kind,
        "eventTime": instant(at),
        "producer": PRODUCER,
        "schemaURL": f"{_SPEC}RunEvent",
        "run": {"runId": run.id, "facets": facets},
        "job": {"namespace": store.project, "name": run.job, "facets": {"jobType": _facet("JobTypeJobFacet", job)}},
        "inputs": [_dataset(store, one, output=False) for one in run.inputs],
        "outputs": made,
    }


def _dataset(store: Store, used: Used, *, output: bool) -> JsonObject:
    """A dataset with its digest as version and, where it is in the store, its size."""
    facets: JsonObject = {}
    if used.digest:
        facets = {"version": _facet("DatasetVersionDatasetFacet", {"datasetVersion": used.digest})}
    side, kind = ("outputFacets", "Output") if output else ("inputFacets", "Input")
    sizes = _sizes(store, used.digest)
    counted = {f"{kind.lower()}Statistics": _facet(f"{kind}Statistics{kind}DatasetFacet", sizes)} if sizes else {}
    return {"namespace": f"shipway://{store.project}", "name": used.name, "facets": facets, side: counted}


def _sizes(store: Store, digest: Digest | None) -> dict[str, Json]:
    record = (thing_at(store, digest).record if digest else None) or {}
    file = record.get("file")
    size = record.get("bytes") if record.get("kind") == "snapshot" else file.get("size") if isinstance(file, Mapping) else None
    found = {"size": size, "fileCount": record.get("files")}
    return {key: value for key, value in found.items() if isinstance(value, int)}


def _facet(name: str, values: JsonObject) -> JsonObject:
    return {"_producer": PRODUCER, "_schemaURL": f"{_FACETS}{_VERSIONS[name]}/{name}.json#/$defs/{name}", **values}


def _digest(value: Json) -> Digest | None:
    text = text_at(value, "digest")
    return Digest(text) if is_digest(text) else None


def _mapping(value: Json) -> JsonObject:
    return value if isinstance(value, Mapping) else {}


def _list(value: Json) -> list[Json]:
    return list(value) if isinstance(value, list) else []

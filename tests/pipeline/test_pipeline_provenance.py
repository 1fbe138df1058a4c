"""Provenance is what SLSA's own type reads, and names all that a model was made from."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict, ParseDict
from in_toto_attestation.predicates.provenance.v1.provenance_pb2 import Provenance
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor

from shipway.kernel import media
from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import Descriptor, digest_bytes
from shipway.pipeline._provenance import Made, provenance

START = datetime(2026, 11, 28, 12, tzinfo=UTC)
CODE, LOCK, DATA, MORE, PIPELINE, PROFILE, SCORES = (digest_bytes(text) for text in (b"c", b"l", b"d", b"m", b"p", b"f", b"s"))
TAKEN: JsonObject = {"flights": DATA, "weather": MORE}
RECORD: JsonObject = {"code": CODE, "environment": LOCK, "data": TAKEN, "parameters": {"trees": 80, "wide": None}}
MADE = Made(
    "delay", PIPELINE, RECORD, "ann", "box", "run-1", START, START + timedelta(seconds=90), PROFILE,
    Descriptor(media.PARQUET, SCORES, 9), "d20ace7968ba43c0219f62d71334c1095bab1602", False,
)  # fmt: skip


def read(made: Made) -> dict[str, Any]:
    """The predicate, read by in-toto's own type (which raises for a field that it has not) and by its own rules."""
    message = ParseDict(json.loads(json.dumps(provenance(made))), Provenance())
    for entry in [*message.build_definition.resolved_dependencies, *message.run_details.byproducts]:
        ResourceDescriptor.copy_from_pb(entry).validate()
    found = MessageToDict(message)
    assert isinstance(found, dict)
    return found


def test_slsas_own_type_reads_it_without_a_field_left_over() -> None:
    found = read(MADE)
    build, details = found["buildDefinition"], found["runDetails"]
    assert build["buildType"] == "https://shipway.dev/run/v1"
    assert build["externalParameters"]["parameters"] == {"trees": 80.0, "wide": None}
    assert details["builder"]["id"] == "https://shipway.dev/local/box"
    times = {"startedOn": "2026-11-28T12:00:00Z", "finishedOn": "2026-11-28T12:01:30Z"}
    assert details["metadata"] == {"invocationId": "run-1", **times}
    assert [entry["name"] for entry in details["byproducts"]] == ["pipeline", "profile", "scores"]


def test_every_input_is_a_resolved_dependency() -> None:
    dependencies = {entry["name"]: entry["digest"] for entry in read(MADE)["buildDefinition"]["resolvedDependencies"]}
    named = {"code": CODE, "environment": LOCK, "data/flights": DATA, "data/weather": MORE}
    assert dependencies == {
        **{name: {"sha256": digest.removeprefix("sha256:")} for name, digest in named.items()},
        "git": {"gitCommit": MADE.commit},
    }


STATES = [(None, None, None), ("ab" * 20, True, {"dirty": True}), ("ab" * 20, False, None)]


@pytest.mark.parametrize(("commit", "dirty", "said"), STATES)
def test_a_folder_that_differs_from_its_commit_says_so(commit: str | None, dirty: bool | None, said: object) -> None:
    build = read(replace(MADE, commit=commit, dirty=dirty))["buildDefinition"]
    entries = {entry["name"]: entry for entry in build["resolvedDependencies"]}
    assert ("git" in entries) is (commit is not None)
    assert entries.get("git", {}).get("annotations") == said

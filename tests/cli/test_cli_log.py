"""`shipway log`: who moved what, on which evidence, and nothing lost when an object is."""

from __future__ import annotations

import json
import subprocess
import sys

from cli_project import REF, Project
from google.protobuf.json_format import ParseDict
from in_toto_attestation.predicates.provenance.v1.provenance_pb2 import Provenance

from shipway.gate import load_evidence
from shipway.kernel import media
from shipway.kernel.clock import instant
from shipway.kernel.digest import short

pytest_plugins = ["cli_fixtures"]


def test_the_history_names_who_why_and_on_which_evidence(project: Project) -> None:
    assert project.cli("apply").code == 1
    for words in (("check",), ("approve",), ("apply", "--why", "first")):
        assert project.cli(*words).code == 0
    text, rows = project.cli("log", REF).out, project.ask("log", REF)["history"]
    assert [row["outcome"] for row in rows] == ["moved", "refused"]
    assert "first" in text
    assert "missing: approval: 0 of 1" in text
    assert f"evidence: {', '.join(map(short, rows[0]['evidence']))} (verdict {short(rows[0]['verdict'])})" in text


def test_the_history_goes_on_where_a_verdict_and_a_release_are_gone(project: Project) -> None:
    for words in (("check",), ("approve",), ("apply", "--why", "first")):
        assert project.cli(*words).code == 0
    (row,) = project.ask("log", REF)["history"]
    for digest in (row["verdict"], project.store.resolve(REF)):
        project.store.objects.path(digest).unlink()
    (again,) = project.ask("log", REF)["history"]
    assert (again["why"], again["evidence"], again["to"]) == ("first", [], row["to"])  # the record names the release


def test_the_provenance_of_a_run_is_evidence_that_slsas_own_type_reads(project: Project) -> None:
    model = project.store.resolve("model/above")
    statements = load_evidence(project.store, project.keys, model)
    (found,) = [said for said in statements if said.predicate_type == media.PROVENANCE_PREDICATE]
    message = ParseDict(json.loads(json.dumps(found.predicate)), Provenance())
    names = [entry.name for entry in message.build_definition.resolved_dependencies]
    assert names[:3] == ["code", "environment", "data/points"]
    assert message.build_definition.external_parameters["project"] == project.store.project
    assert instant(found.at)[:19] == message.run_details.metadata.finished_on.ToJsonString()[:19]


def test_what_is_typed_all_day_imports_what_it_needs(project: Project) -> None:
    """Signatures cost `log` a third of its time, tables and clients cost `plan` most of its and `release` half of its."""
    heavy = {"sqlalchemy", "polars", "numpy", "aiohttp", "cryptography"}
    allow = ((("log", "release/line"), ""), (("plan",), "cryptography"), (("release",), "numpy cryptography"))
    for words, names in allow:
        ran = subprocess.run(
            [sys.executable, "-X", "importtime", "-m", "shipway", *words],
            cwd=project.root,
            env=project.environ,
            capture_output=True,
            text=True,
            check=True,
        )
        imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in ran.stderr.splitlines()}
        assert imported & heavy <= set(names.split()), words

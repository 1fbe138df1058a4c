"""`shipway incident` in process: what it says, when it calls, and how a person silences it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from shipway.cli._settings import read_settings
from shipway.cli.incident import command
from shipway.kernel.digest import digest_bytes
from shipway.monitor import Alert, Severity, SilenceMalformed
from shipway.store import open_store

REF, RELEASE = "deploy/line@prod", digest_bytes(b"release")
LOST = "column x1 is lost; it had numbers"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shipway.yaml").write_text("project: test\nmodels: {line: {target: y}}\ndeploy: {line@prod: }\n")
    store = open_store(tmp_path, "test", create=True)
    today = datetime.now(UTC).date()
    for monitor, text in (("schema.x1", LOST), ("calibration", "")):
        alert = Alert(REF, Severity.PAGE, monitor, 1.0, None, None, 0.0, today, today, RELEASE, None, text)
        store.put_state("alert", alert.key, alert.to_json())
    store.close()
    return tmp_path


def incident(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(command, words, obj=read_settings(directory=str(folder), debug=False))


def test_it_says_what_is_wrong_and_why_perhaps_and_exits_1_until_it_is_silenced(folder: Path) -> None:
    said = incident(folder, "line@prod")
    assert said.exit_code == 1, said.output
    assert "1 open, 0 over" in said.output
    assert f"likely: {LOST} (docs/runbooks.md#columns)" in said.output
    one = incident(folder, "--silence", "2d", "--monitor", "schema", "--why", "the feed is being mended", "--json")
    assert json.loads(one.stdout)["calling"] == ["calibration"]
    both = incident(folder, "--silence", "1h", "--why", "the same feed", "--json")
    assert both.exit_code == 0, both.output
    document = json.loads(both.stdout)
    assert document["calling"] == []
    assert {one["monitor"]: one["why"] for one in document["silences"]} == {
        "*": "the same feed",
        "schema": "the feed is being mended",
    }
    assert incident(folder, "--silence", "0s", "--why", "it is mended").exit_code == 1


def test_a_silence_without_a_reason_or_an_end_in_sight_is_refused(folder: Path) -> None:
    assert isinstance(incident(folder, "--silence", "1d").exception, SilenceMalformed)
    assert isinstance(incident(folder, "--silence", "90d", "--why", "later").exception, SilenceMalformed)
    assert incident(folder, "--silence", "soon", "--why", "later").exit_code == 2
    assert incident(folder, "--why", "later").exit_code == 2

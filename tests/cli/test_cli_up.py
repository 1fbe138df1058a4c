"""What `shipway up` says of a shipway.yaml that somebody edits meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipway.cli._output import Output
from shipway.cli._settings import Settings
from shipway.cli.up import _SpecNow


def test_a_broken_spec_is_told_once_and_once_when_it_is_mended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "shipway.yaml"
    file.write_text("project: p\n")
    now = _SpecNow(Settings(tmp_path, False, {}), Output(False))
    found = now()
    assert found is not None
    assert found.project == "p"
    assert capsys.readouterr().err == ""
    file.write_text("project: p\nevls: {}\n")
    assert [now() for _ in range(3)] == [None] * 3
    (line,) = capsys.readouterr().err.splitlines()
    assert "shipway.yaml cannot be used: " in line
    assert "evls" in line
    assert "shipway.yaml:2:1" in line
    file.write_text("project: [\n")
    assert now() is None
    assert len(capsys.readouterr().err.splitlines()) == 1, "another fault is another line"
    file.write_text("project: p\n")
    assert all(now() for _ in range(2))
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("shipway.yaml can be used again")
    file.unlink()
    assert now() is None
    assert len(capsys.readouterr().err.splitlines()) == 1

"""A step is given data in place as a folder of files, and gives what it gives for the same files in a folder."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from pipeline_help import Heard, Project

sys.path.insert(0, str(Path(__file__).parents[1] / "store"))
from store_help import s3_client, s3_environ

from shipway.data.in_place import open_source, parse_place, take_in_place
from shipway.pipeline import RunRequest, code_object


class Noted(Heard):
    def __init__(self) -> None:
        super().__init__()
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_a_step_reads_data_in_place_and_gives_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in s3_environ().items():
        monkeypatch.setenv(name, value)
    project, client = Project.make(tmp_path / "project"), s3_client(s3_environ())
    client.create_bucket(Bucket="pipeline-in-place")
    for file in (project.root / "points").iterdir():
        client.put_object(Bucket="pipeline-in-place", Key=f"points/{file.name}", Body=file.read_bytes())
    source = open_source(parse_place("s3://pipeline-in-place/points"), root=project.root)
    snapshot = take_in_place(project.store, source, name="points").digest
    code = code_object(project.store, project.root, "steps.py")
    request = RunRequest(code, {"points": snapshot}, project.environment(), {}, ("points_seen",))
    heard = Noted()
    result = project.run(request, report=heard)
    assert heard.ran == ["points_seen"]
    assert [note for note in heard.notes if "brought 2 files of points" in note]
    again = Noted()
    assert project.run(request, report=again).output("points_seen") == result.output("points_seen")
    assert (again.ran, again.notes) == ([], [])
    assert project.run(project.request(wanted=("points_seen",))).output("points_seen") == result.output("points_seen")
    project.store.close()

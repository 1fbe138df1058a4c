"""`shipway import dvc` and `shipway data export` as a person types them; the real DVC judges the files in tests/data."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest
from cli_project import SECONDS, Project

sys.path.insert(0, str(Path(__file__).parents[1] / "data"))  # repositories as DVC has them

from dvc_help import tree_of, write_legacy, write_tree


@pytest.fixture
def repo(tmp_path: Path) -> Project:
    """A repository of DVC 2 with a folder and two files of one name."""
    root = tmp_path / "Flight Delays"
    (root / ".dvc").mkdir(parents=True)
    (root / ".dvc/config").write_text("[core]\n    no_scm = True\n['remote \"far\"']\n    url = gdrive://root/x\n")
    for name, files in (("data/raw", {"a.csv": b"1\r\n", "b/c.csv": b"2\n"}), ("one.csv", b"3\n"), ("more/one.csv", b"4\n")):
        write_legacy(root, name, files)
        write_tree(
            root, {name: files} if isinstance(files, bytes) else {f"{name}/{path}": data for path, data in files.items()}
        )
    return Project(root, tmp_path / "keys")


def test_one_command_makes_a_project_of_a_repository_and_another_one_writes_it_back(repo: Project) -> None:
    done = repo.cli("import", "dvc", "--json")
    assert (done.code, done.document["kind"]) == (0, "dvc-imported"), done.err
    assert {row["name"]: row["path"] for row in done.document["data"]} == {
        "raw": "data/raw", "one": "more/one.csv", "one-2": "one.csv",
    }  # fmt: skip
    assert "a remote by gdrive is not read" in done.err, "and it was not needed"
    assert sum(row["linked"] for row in done.document["data"]) == 4
    text = (repo.root / "shipway.yaml").read_text()
    assert text.startswith("project: flight-delays\n")
    assert repo.cli("data", "status").code == 0, "the files are as DVC has them"
    shutil.rmtree(repo.root / "data/raw")
    assert repo.cli("data", "checkout", "raw").code == 0
    exported = repo.cli("data", "export", "--remote", str(repo.root.parent / "there"), "--json").document
    assert [(row["written"], row["sent"] > 0) for row in exported["data"]] == [(True, True)] * 3
    assert "hash: md5" in (repo.root / "data/raw.dvc").read_text()
    sent = {name: data for name, data in tree_of(repo.root.parent / "there").items() if not name.endswith(".dir")}
    assert sorted(sent.values()) == [b"1\r\n", b"2\n", b"3\n", b"4\n"]
    assert repo.cli("import", "dvc", "--json").document["added"] == []
    assert (repo.root / "shipway.yaml").read_text() == text


def test_data_sets_that_the_spec_lacks_are_added_below_those_that_it_has(repo: Project) -> None:
    (repo.root / "shipway.yaml").write_text("project: p\n\ndata:  # ours\n    mine: one.csv\n\nparameters:\n  x: 1\n")
    assert repo.cli("import", "dvc", "--json").document["added"] == ["one", "raw"]
    assert (repo.root / "shipway.yaml").read_text() == (
        "project: p\n\ndata:  # ours\n    raw: data/raw\n    one: more/one.csv\n    mine: one.csv\n\nparameters:\n  x: 1\n"
    )


def test_a_repository_that_is_not_whole_leaves_no_project_behind(repo: Project) -> None:
    shutil.rmtree(repo.root / ".dvc/cache")
    (repo.root / "one.csv").write_text("changed")
    done = repo.cli("import", "dvc")
    assert (done.code, "data.dvc-missing" in done.err, len(done.err.strip().splitlines()) <= 6) == (1, True, True)
    assert not (repo.root / "shipway.yaml").exists()


def test_a_stage_that_is_interrupted_is_ended_and_run_again(tmp_path: Path) -> None:
    root = tmp_path / "repo"
    mark = tmp_path / "mark"
    command = f"echo $$ > {mark}; test -s go || sleep 300; echo done > out.txt"
    stage = f"stages:\n  slow:\n    cmd: {command}\n    deps: [go]\n    outs: [out.txt]\n"
    write_tree(root, {"shipway.yaml": b"project: p\npipeline: dvc.yaml\n", "dvc.yaml": stage.encode(), "go": b""})
    project = Project(root, tmp_path / "keys")
    running = project.start("run")
    deadline = time.monotonic() + SECONDS
    while not (mark.exists() and mark.read_text().strip()) and time.monotonic() < deadline:
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=SECONDS)
    assert running.returncode == 130
    with pytest.raises(ProcessLookupError):
        os.kill(int(mark.read_text()), 0)
    (root / "go").write_text("go")
    (step,) = project.cli("run", "--json").document["steps"]
    assert (step["name"], step["cached"]) == ("slow", False)
    done = project.cli("data", "export", "--json")
    assert done.document["stages"] == [{"name": "slow", "outs": 1, "cached": 1, "sent": 0}]
    assert (root / "dvc.lock").read_text().startswith("schema: '2.0'\nstages:\n  slow:\n    cmd: ")

"""`shipway data profile`: the same digest whoever counts, and one clear error where there is no cluster."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from cli_project import Project

from shipway.cli._data_sides import Sides
from shipway.cli._settings import Settings

pytest_plugins = ["cli_fixtures"]


def test_the_digest_of_a_profile_does_not_depend_on_how_many_work(project: Project) -> None:
    one, many = (project.cli("data", "profile", "--workers", count, "--json") for count in ("1", "3"))
    assert (one.code, one.document["kind"], one.document["on"]) == (0, "profiles", "here")
    (row,), (other,) = one.document["data"], many.document["data"]
    assert row["profile"] == other["profile"]
    assert row["rows"] > 0
    like = project.cli("data", "profile", "--like", row["profile"], "--json").document["data"][0]
    assert like["profile"] == row["profile"], "measured by its own edges it is what it is"


def test_a_person_reads_each_column_and_the_next_command(project: Project) -> None:
    done = project.cli("data", "profile")
    assert done.code == 0
    assert "missing" in done.out
    assert done.last == "next: shipway run"


@pytest.mark.parametrize("words", [("data", "profile"), ("rag", "sync")])
def test_a_cluster_that_is_not_there_is_an_error_of_a_few_lines(project: Project, words: tuple[str, str]) -> None:
    done = project.cli(*words, "--on", "ray", environ={"RAY_ADDRESS": "127.0.0.1:1"})
    assert done.code == 1
    assert "operate.ray-unreachable" in done.err
    assert len(done.err.strip().splitlines()) <= 6


def test_a_snapshot_is_compared_brought_back_and_taken_from_a_release(project: Project) -> None:
    (row,) = project.cli("data", "status", "--json").document["data"]
    name = row["name"]
    folder = project.root / project.spec.data[name].path
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    was = files[0].read_bytes()
    files[0].rename(folder / "moved.parquet")
    project.cli("data", "snapshot", name, "--why", "moved")
    found = project.cli("data", "diff", f"{name}~1", name, "--json", "--exit-code")
    assert (found.code, found.document["kind"]) == (1, "data-diff")
    assert [move["path"] for move in found.document["moved"]] == ["moved.parquet"]
    shown = project.cli("data", "log", name, "--json").document["snapshots"]
    assert next((one["why"], one["files"]) for one in shown) == ("moved", len(files))
    (folder / "mine.txt").write_text("work")
    refused = project.cli("data", "checkout", name, "--at", f"{name}~1")
    assert (refused.code, "data.checkout-refused" in refused.err) == (1, True)
    here = project.cli("data", "diff", name, "--json").document
    assert [one["path"] for one in here["added"]] == ["mine.txt"]
    done = project.cli("data", "checkout", name, "--at", shown[1]["digest"][7:15], "--force", "--json").document["data"][0]
    assert (done["digest"], done["written"], done["removed"]) == (shown[1]["digest"], 1, 2)
    assert files[0].read_bytes() == was
    release = project.cli("release", "list", "--json").document["releases"][0]["release"]
    got = project.cli("data", "get", f"{release[7:19]}:{name}", "elsewhere", "--json")
    assert got.code == 0, got.err
    assert len([path for path in (project.root / "elsewhere").rglob("*") if path.is_file()]) == len(files)
    assert project.cli("data", "get", "nothing").err.count("cli.snapshot-unknown") == 1


def test_a_snapshot_goes_to_another_machine_and_comes_back_changed(project: Project, tmp_path: Path) -> None:
    project.more["SHIPWAY_REMOTE"] = f"file://{tmp_path}/remote"
    other = Project(tmp_path / "other", tmp_path / "their keys", more=dict(project.more))
    shutil.copytree(project.root, other.root, ignore=shutil.ignore_patterns(".shipway"))
    (name,) = project.spec.data
    folder = other.root / other.spec.data[name].path
    shutil.rmtree(folder)
    nothing = other.cli("data", "pull", name)
    assert (nothing.code, "data.remote-empty" in nothing.err) == (1, True)
    pushed = project.cli("data", "push", "--json")
    assert pushed.code == 0, pushed.err
    pulled = other.cli("data", "pull", "--json").document["data"][0]
    assert (pulled["digest"], pulled["moved"]) == (pushed.document["data"][0]["digest"], True)
    assert other.cli("data", "checkout").code == 0
    assert other.cli("data", "status").code == 0
    (folder / "theirs.parquet").write_bytes(next(folder.rglob("*.parquet")).read_bytes())
    other.cli("data", "snapshot")
    assert other.cli("data", "push", "--json").document["data"][0]["copied"] < pushed.document["data"][0]["copied"]
    (project.root / project.spec.data[name].path / "ours.txt").touch()
    project.cli("data", "snapshot")
    for words in ("push", "pull"):
        refused = project.cli("data", words)
        assert (refused.code, "data.remote-ahead" in refused.err) == (1, True)
    taken = project.cli("data", "pull", "--force", "--json").document["data"][0]
    assert taken["moved"]
    assert project.cli("data", "log", name, "--json").document["snapshots"][0]["digest"] == taken["digest"]
    assert project.cli("data", "push", environ={"SHIPWAY_REMOTE": ""}).err.count("cli.remote-unset") == 1


def test_what_nobody_needs_is_shown_then_removed_and_named_when_asked_for(project: Project) -> None:
    (row,) = project.cli("data", "status", "--json").document["data"]
    name, folder = row["name"], project.root / project.spec.data[row["name"]].path
    (folder / "more.txt").write_text("of a day")
    (old,) = project.cli("data", "snapshot", name, "--json").document["data"]
    (folder / "more.txt").unlink()
    project.cli("data", "snapshot", name)
    assert project.cli("data", "gc", "--json").document["objects"] == 0, "all of the history counts"
    shown = project.cli("data", "gc", "--keep", "1")
    assert (shown.code, shown.last) == (0, "next: shipway data gc --keep 1 --remove")
    found = project.cli("data", "gc", "--keep-for", "0s", "--keep", "1", "--remove", "--json").document
    assert (found["kind"], found["removed"]) == ("data-gc", True)
    assert found["snapshots"] == [{"digest": old["digest"], "names": [f"data/{name}"]}], "what the model came from stays"
    asked = project.cli("data", "get", f"{name}~1", "out")
    assert (asked.code, "was removed by" in asked.err) == (1, True)
    assert project.cli("store", "check", "--deep").code == 0
    assert "removed" in project.cli("log", f"data/{name}").out


def test_two_files_are_compared_without_a_project_and_the_second_time_at_once(tmp_path: Path) -> None:
    import polars as pl

    rows = pl.DataFrame({"id": [1, 2, 3], "word": ["a", "b", "c"]})
    rows.write_parquet(tmp_path / "a.parquet")
    rows.head(2).with_columns(word=pl.lit("z")).write_csv(tmp_path / "b.csv")
    nowhere = Project(tmp_path, tmp_path / "keys", more={"SHIPWAY_CACHE": str(tmp_path / "cache")})
    for _ in range(2):
        found = nowhere.cli("data", "diff", "a.parquet", "b.csv", "--key", "id", "--json", "--exit-code")
        assert (found.code, found.document["kind"]) == (1, "data-diff"), found.err
        assert [found.document["rows"][word] for word in ("added", "removed", "changed")] == [0, 1, 2]
    told = nowhere.cli("data", "diff", "a.parquet", "b.csv")
    assert told.out.startswith("rows: 2 added, 3 removed as a multiset")
    assert nowhere.cli("data", "diff", "a.parquet", "b.csv", "--markdown").out.startswith("### Data: a.parquet -&#62; b.csv")
    assert nowhere.cli("data", "diff", "a.parquet", "b.csv", "--html", "diff.html").code == 0
    page = (tmp_path / "diff.html").read_text()
    assert page.startswith("<!doctype html>")
    assert "rows: 2 added, 3 removed as a multiset" in page
    assert "http" not in page.partition("</style>")[2], "it leads nowhere and loads nothing"
    lost = nowhere.cli("data", "diff", "a.parquet", "b.csv", "--html", "no/where.html")
    assert (lost.code, "cannot write" in lost.err) == (64, True)
    wrong = nowhere.cli("data", "diff", "a.parquet", "b.csv", "--key", "nope")
    assert (wrong.code, "data.key-missing" in wrong.err) == (1, True)
    assert not (tmp_path / ".shipway").exists()


def test_data_that_waits_is_reviewed_rejected_and_approved_and_rejected_data_is_in_no_release(project: Project) -> None:
    project.edit("policy:", "policy:\n  data/points: {contract: pass, approvals: 1}")
    project.cli("apply", "--force", "--why", "the new policy")
    folder = project.root / project.spec.data["points"].path
    import polars as pl

    path = sorted(folder.glob("*.parquet"))[0]
    rows = pl.read_parquet(path)
    rows.with_columns(x=pl.when(pl.int_range(pl.len()) < 3).then(99.0).otherwise("x")).write_parquet(path)
    refused = project.cli("data", "snapshot", "points")
    assert (refused.code, "shipway data review points" in refused.err) == (1, True)
    shown = project.cli("data", "review", "points", "--json")
    assert (shown.code, shown.document["kind"], shown.document["waits"]) == (1, "data-review", True)
    assert shown.document["diff"]["rows"]["changed"] == 3, "by the key that the contract names"
    assert [flip["name"] for flip in shown.document["diff"]["contract"]["flips"]] == ["contract", "contract.x.between"]
    assert any(text.startswith("approval: 0 of 1") for text in shown.document["missing"])
    assert [one["verdict"] for one in shown.document["checks"] if one["name"] == "contract of data/points"] == ["fail"]
    target = shown.document["target"]
    assert project.ask("comment", "data/points", "why 99?")["kind"] == "comment"
    assert project.ask("reject", "data/points", "--why", "out of range")["digest"] == target
    told = project.cli("data", "review", "points").out
    for line in (
        "(rejected: data/points",
        "fail         contract of data/points",
        "rejection by ann@example.org",
        "comment by ann@example.org",
        "by point",
    ):
        assert line in told, line
    assert project.cli("reject", "data/points").code == 64
    rows.with_columns(x=pl.col("x") * 0.5).write_parquet(path)
    assert project.cli("data", "snapshot", "points").code == 1
    assert project.ask("approve", "data/points", "--why", "halved")["digest"] != target
    assert project.cli("data", "snapshot", "points").code == 0
    standing = project.cli("data", "review", "points", "--json")
    assert (standing.code, standing.document["waits"]) == (0, False)
    stood = [one["digest"] for one in project.ask("data", "log", "points")["snapshots"]]
    assert [standing.document["target"], standing.document["before"]] == stood[:2]
    assert standing.document["diff"]["rows"]["changed"] > 3, "beside what stood there before"


@pytest.mark.parametrize("text", ["points", "points~2", "data/points@try", "sha256:0123:points"])
def test_a_side_of_a_comparison_is_of_its_data_set_whose_contract_says_what_names_a_row(tmp_path: Path, text: str) -> None:
    assert Sides(Settings(tmp_path, debug=False, environ={}), text, "./here").name == "points"


def test_a_merge_moves_its_ref_through_the_gate(project: Project) -> None:
    project.edit("policy:", "policy:\n  data/points: {approvals: 1}")
    project.cli("apply", "--force", "--why", "the new policy")
    project.ask("data", "branch", "points", "try")
    (project.root / project.spec.data["points"].path / "new.txt").write_text("1")
    assert project.cli("data", "snapshot", "points", "--branch", "try").code == 0  # of a branch the gate asks nothing
    before = project.store.resolve("data/points")
    assert project.cli("data", "merge", "points", "try").code == 1
    assert project.store.resolve("data/points") == before
    (listed,) = project.ask("data", "list")["data"]
    assert (listed["digest"], listed["waits"], listed["branches"]) == (
        before,
        project.store.resolve("data/points@try"),
        ["try"],
    )
    told = project.cli("data", "list").out
    assert ("also @try" in told, "waits" in told, "next: shipway data review points" in told) == (True, True, True)
    assert project.ask("approve", "data/points", "--why", "seen")["digest"] == project.store.resolve("data/points@try")
    assert project.ask("data", "merge", "points", "try")["base"] == before

"""`shipway release show` and `list`: what the pages of releases say, in a terminal and as JSON."""

from __future__ import annotations

from cli_project import REF, Project

from shipway.kernel.digest import short

pytest_plugins = ["cli_fixtures"]


def test_a_release_is_shown_with_what_is_in_it_what_was_found_and_who_signed(project: Project) -> None:
    release = project.store.resolve("release/line")
    project.ask("approve", "--why", "looked at it")
    shown = project.ask("release", "show", short(release))
    assert (shown["kind"], shown["release"], shown["applications"]) == ("dossier", release, ["line"])
    words = {part["kind"]: part["words"] for part in shown["components"]}
    assert words["data"].startswith("2 files, ")
    assert words["environment"].startswith("Python 3")
    assert words["model"] == "python, 2 inputs, answers above"
    assert [(one["who"], one["why"], one["counts"]) for one in shown["approvals"]] == [(project.who, "looked at it", True)]
    (auc,) = [one for one in shown["evidence"]["statements"] if one["name"] == "auc"]
    assert auc["check"]["low"] < auc["check"]["value"]
    assert [one["text"] for one in auc["asked"]] == []  # no policy is in force before the first apply
    assert project.cli("apply").code == 0
    shown = project.ask("release", "show", REF)
    assert shown["live"] == [REF]
    text = project.cli("release", "show", short(release), "-n", "3").out
    assert f"{REF} live since" in text
    assert text.count("this machine") == 3


def test_releases_are_listed_with_where_they_are_live(project: Project) -> None:
    project.ask("approve")
    project.ask("apply")
    (row,) = project.ask("release", "list")["releases"]
    assert (row["application"], row["live"], row["who"]) == ("line", [REF], project.who)
    assert f"live at {REF}" in project.cli("release", "list", "line").out

"""The small project that the command line is tested with, in the hands of this room's functions."""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl

from shipway.gate import Moved
from shipway.kernel.digest import Digest
from shipway.operate import check_candidate
from shipway.pipeline import Silence, code_object, snapshot_data
from shipway.release import (
    Candidate,
    Component,
    Plan,
    apply_release,
    approve_release,
    load_components,
    make_plan,
    make_release,
    policy_change,
    put_release,
    roll_back,
)

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))

from cli_project import REF, SECONDS, Project, points

__all__ = [
    "REF",
    "SECONDS",
    "Project",
    "apply",
    "approve",
    "first",
    "make",
    "plan",
    "points",
    "put_live",
    "return_to",
    "second",
]


def make(project: Project) -> Candidate:
    return make_release(project.store, project.keys, project.actor, project.spec, project.deploy)


def approve(project: Project, release: Digest) -> Digest:
    return approve_release(project.store, project.signer, project.actor, "line", release)


def plan(project: Project, release: Digest | None = None) -> Plan:
    """As the command does it: judged by the policy that `apply` would publish."""
    policy = policy_change(project.store, project.spec)
    return make_plan(project.store, project.keys, project.actor, project.spec, project.deploy, release=release, policy=policy)


def apply(project: Project, release: Digest | None = None, *, why: str = "") -> Moved:
    return apply_release(project.store, project.keys, project.actor, project.spec, project.deploy, release=release, why=why)[1]


def return_to(project: Project, release: Digest | None = None) -> Moved:
    return roll_back(project.store, project.keys, project.actor, REF, release=release)


def put_live(project: Project, release: Digest) -> Moved:
    """Checked, approved and applied."""
    check_candidate(project.hands, project.spec, project.deploy, release, days=None, report=Silence())
    approve(project, release)
    return apply(project, release)


def first(project: Project) -> Digest:
    return project.store.resolve("release/line")


def second(project: Project) -> Digest:
    """A release that differs from the first in its code and its data."""
    project.edit("Comes out otherwise", "Is different", file="steps.py")
    more = points().head(50).with_columns(point=pl.format("q{}", "point"))
    more.write_parquet(project.root / "points" / "3.parquet")
    snapshot = snapshot_data(project.hands, project.spec, project.spec.data["points"]).snapshot.digest
    fresh = {"code": code_object(project.store, project.root, "steps.py"), "data": snapshot}
    parts = load_components(project.store, first(project))
    return put_release(project.store, [Component(p.kind, p.name, fresh.get(p.kind, p.digest)) for p in parts])

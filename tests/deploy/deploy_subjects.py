"""Subjects with digests that are the same in every test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from shipway.deploy import Files, Subject, make_subject
from shipway.kernel.digest import Digest
from shipway.pipeline import read_pipeline, resolve
from shipway.spec import load_spec

ROOT = Path(__file__).parents[2]
IMAGE = "registry.example.com/ml/flights@sha256:" + "1f" * 32
PLAN = Digest("sha256:" + "2e" * 32)
RELEASE = Digest("sha256:" + "3d" * 32)

Golden = Callable[[str, Files], None]


def project_subject(root: Path, *, released: bool = True) -> Subject:
    """The subject of the project in a folder, with digests that are the same in every test."""
    spec = load_spec(root / "shipway.yaml")
    graph = (
        resolve(read_pipeline(root, spec.pipeline), data=spec.data, parameters=spec.parameters, options=spec.steps)
        if spec.pipeline
        else None
    )
    releases = dict.fromkeys(spec.deploy, RELEASE) if released else {}
    return make_subject(spec, image=IMAGE, graph=graph, plan=PLAN if graph else None, releases=releases)

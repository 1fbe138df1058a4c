"""`shipway data` of data that stay in a bucket: what a person types, and that no byte comes before somebody needs it."""

from __future__ import annotations

import io
import itertools
import os
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from cli_project import Project

sys.path.insert(0, str(Path(__file__).parents[1] / "store"))
from store_help import s3_client, s3_environ

_numbers = itertools.count()
SPEC = """project: shop
data:
  flights:
    from: s3://BUCKET/flights
    contract: {unique: [id], columns: {delay: {between: [0, 100]}}}
"""


@pytest.fixture
def bucket() -> tuple[Any, str]:
    client, name = s3_client(s3_environ()), f"cli-in-place-{os.getpid()}-{next(_numbers)}"
    client.create_bucket(Bucket=name)
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return client, name


@pytest.fixture
def project(tmp_path: Path, bucket: tuple[Any, str]) -> Project:
    (tmp_path / "shipway.yaml").write_text(SPEC.replace("BUCKET", bucket[1]))
    return Project(tmp_path, tmp_path / "keys", more=dict(s3_environ()))


def rows(*values: int) -> bytes:
    out = io.BytesIO()
    pl.DataFrame({"id": list(values), "delay": [float(value) for value in values]}).write_parquet(out)
    return out.getvalue()


def test_data_in_place_are_taken_compared_pushed_and_checked_out(project: Project, bucket: tuple[Any, str]) -> None:
    def put(name: str, data: bytes) -> None:
        bucket[0].put_object(Bucket=bucket[1], Key=f"flights/{name}", Body=data)

    put("1.parquet", rows(1, 2))
    first = project.ask("data", "snapshot")["data"][0]
    assert (first["files"], first["bytes"], first["read"]) == (1, len(rows(1, 2)), 0)
    put("1.parquet", rows(1, 20))
    put("2.parquet", rows(3))
    status = project.cli("data", "status", "--json")
    assert status.code == 1
    assert [status.document["data"][0][word] for word in ("added", "changed", "removed")] == [["2.parquet"], ["1.parquet"], []]
    now = project.ask("data", "diff", "flights")
    assert (len(now["added"]), len(now["changed"])) == (1, 1)
    project.ask("data", "snapshot")
    sent = project.ask("data", "push", "--remote", f"file://{project.root}/remote")
    assert sent["data"][0]["bytes"] < 2_000
    objects = [path.stat().st_size for path in (project.root / ".shipway/objects").rglob("*") if path.is_file()]
    assert rows(1, 2) not in [path.read_bytes() for path in (project.root / "remote").rglob("*") if path.is_file()]
    assert sum(objects) < 10_000
    compared = project.ask("data", "diff", "flights~1", "flights")  # the contract's key names rows, so they come
    assert (compared["rows"]["added"], compared["rows"]["removed"]) == (2, 1)
    project.ask("data", "checkout", "--at", "flights~1")
    assert (project.root / "data/flights/1.parquet").read_bytes() == rows(1, 2)

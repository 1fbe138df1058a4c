"""Databases of three kinds with one table of customers, for the tests of queries."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast
from uuid import uuid4

import duckdb
import polars as pl
import psycopg

from shipway.data import snapshot_files
from shipway.data.sql import Address, parse_address
from shipway.kernel.digest import Digest
from shipway.store import Store

sys.path.insert(0, str(Path(__file__).parents[1] / "rag"))

from stores_help import postgres_url

KINDS = ("sqlite", "duckdb", "postgresql")


class Connection(Protocol):
    def execute(self, sql: str, /) -> object: ...


@dataclass(frozen=True)
class Base:
    """A database; `table` is one of its own."""

    address: Address
    table: str

    @contextmanager
    def opened(self) -> Iterator[Connection]:
        if self.address.kind == "sqlite":
            with closing(sqlite3.connect(self.address.place, isolation_level=None)) as base:
                yield cast("Connection", base)
        elif self.address.kind == "duckdb":
            with closing(duckdb.connect(self.address.place)) as base:
                yield cast("Connection", base)
        else:
            with psycopg.connect(self.address.place, autocommit=True) as server:
                yield cast("Connection", server)

    def do(self, *statements: str) -> None:
        with self.opened() as base:
            for statement in statements:
                base.execute(statement.replace("TABLE_", self.table))


def new_base(kind: str, folder: Path, *, rows: int = 25_000) -> Base:
    """id from 1 to rows, a name (null for every third) and a number."""
    text = postgres_url() if kind == "postgresql" else f"{kind}:{folder / 'shop'}"
    base = Base(parse_address(text, root=folder), f"t{uuid4().hex}")
    base.do(
        "CREATE TABLE TABLE_ (id BIGINT PRIMARY KEY, name TEXT, amount DOUBLE PRECISION)",
        f"INSERT INTO TABLE_ WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})"
        " SELECT i, CASE WHEN i % 3 = 0 THEN NULL ELSE 'n' || i END, i / 7.0 FROM n",
    )
    return base


def files_of(store: Store, digest: Digest) -> dict[str, Digest]:
    return {file.path: file.digest for file in snapshot_files(store, digest)}


def rows_of(store: Store, digest: Digest) -> pl.DataFrame:
    """All rows, in the order of the files."""
    return pl.concat(pl.read_parquet(store.objects.path(file)) for file in files_of(store, digest).values())


def ids(store: Store, digest: Digest) -> Sequence[int]:
    return rows_of(store, digest)["id"].to_list()

"""The two tables of an index version in PostgreSQL, and how rows get into them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import LiteralString

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg.sql import SQL, Composed, Identifier, Literal

from shipway.rag._types import Member

Connection = psycopg.Connection[tuple[object, ...]]
_MOST_INLINE = 1_900  # dimensions that fit into a page beside their row; a scan is 1.2 times slower without
_SEARCHED = 100_000  # characters of a heading and its chunk that the text leg sees; a tsvector holds 1 MB
# Dots and slashes become spaces there: the parser takes `django.db` for a host and would not find `db`.


def sql(words: LiteralString, **names: Identifier | Literal) -> Composed:
    """A statement with its names quoted; values stay parameters."""
    return SQL(words).format(**names)


def vectors_table(tag: str) -> Identifier:
    return Identifier(f"shipway_rag_{tag}_v")


def members_table(tag: str) -> Identifier:
    return Identifier(f"shipway_rag_{tag}_m")


def create_tables(connection: Connection, tag: str, dimension: int) -> None:
    """Vectors apart from texts: a scan then reads vectors only."""
    storage = SQL("PLAIN") if dimension <= _MOST_INLINE else SQL("EXTERNAL")
    connection.execute(
        sql(
            "CREATE TABLE {v} (number int PRIMARY KEY, access int NOT NULL, vector vector({dimension}) NOT NULL)",
            v=vectors_table(tag),
            dimension=Literal(max(1, dimension)),
        )
    )
    connection.execute(SQL("ALTER TABLE {} ALTER COLUMN vector SET STORAGE {}").format(vectors_table(tag), storage))
    connection.execute(
        sql(
            "CREATE TABLE {m} (number int PRIMARY KEY, access int NOT NULL, document text NOT NULL,"
            " document_digest text NOT NULL, chunk text NOT NULL, body text NOT NULL, heading text NOT NULL,"
            " first bigint NOT NULL, past bigint NOT NULL,"
            " search tsvector GENERATED ALWAYS AS"
            " (to_tsvector('english', translate(left(heading || ' ' || body, {most}), './:@-', '     '))) STORED)",
            m=members_table(tag),
            most=Literal(_SEARCHED),
        )
    )


def copy_vectors(connection: Connection, tag: str, vectors: NDArray[np.float32], access: NDArray[np.int32]) -> None:
    with connection.cursor().copy(sql("COPY {v} FROM STDIN (FORMAT binary)", v=vectors_table(tag))) as copy:
        for part in _packed(vectors, access):
            copy.write(part)


def _packed(vectors: NDArray[np.float32], access: NDArray[np.int32]) -> Iterator[bytes]:
    """The rows of the table of vectors in COPY's binary form (PostgreSQL manual, COPY; pgvector's vector_recv)."""
    rows, dimension = vectors.shape
    packed = np.zeros(
        rows,
        np.dtype(
            [
                *[("fields", ">i2"), ("n", ">i4"), ("number", ">i4"), ("a", ">i4"), ("access", ">i4")],
                *[("bytes", ">i4"), ("dimension", ">i2"), ("unused", ">i2"), ("values", ">f4", (dimension,))],
            ]
        ),
    )
    packed["fields"], packed["n"], packed["a"], packed["bytes"], packed["dimension"] = 3, 4, 4, 4 + 4 * dimension, dimension
    packed["number"], packed["access"], packed["values"] = np.arange(rows), access, vectors
    yield b"PGCOPY\n\xff\r\n\0" + bytes(8)
    for start in range(0, rows, 1000):
        yield packed[start : start + 1000].tobytes()
    yield b"\xff\xff"


def copy_members(connection: Connection, tag: str, rows: Sequence[Member], access: NDArray[np.int32]) -> None:
    statement = sql(
        "COPY {m} (number, access, document, document_digest, chunk, body, heading, first, past) FROM STDIN (FORMAT binary)",
        m=members_table(tag),
    )
    with connection.cursor().copy(statement) as copy:
        copy.set_types(["int4", "int4", "text", "text", "text", "text", "text", "int8", "int8"])
        for number, (row, allowed) in enumerate(zip(rows, access.tolist(), strict=True)):
            place = (row.document, row.document_digest, row.chunk, row.text, row.heading, row.start, row.end)
            copy.write_row((number, allowed, *place))


def index_tables(connection: Connection, tag: str, *, indexed: bool) -> None:
    """Indexes after the rows, which is faster, and the planner's statistics."""
    connection.execute(
        "SET LOCAL maintenance_work_mem = '256MB'"
    )  # an HNSW graph beyond this is built on disk, many times slower
    connection.execute(sql("CREATE INDEX ON {v} (access)", v=vectors_table(tag)))
    connection.execute(sql("CREATE INDEX ON {m} USING gin (search) WITH (fastupdate = off)", m=members_table(tag)))
    if indexed:
        connection.execute(sql("CREATE INDEX ON {v} USING hnsw (vector vector_cosine_ops)", v=vectors_table(tag)))
    connection.execute(sql("ANALYZE {v}, {m}", v=vectors_table(tag), m=members_table(tag)))


def iterates(connection: Connection) -> bool:
    """Whether this pgvector can go on when a filter leaves too few: 0.8 and later."""
    row = connection.execute("SELECT extversion FROM pg_extension WHERE extname = 'vector'").fetchone()
    numbers = [int(part) for part in re.findall(r"\d+", str(row[0] if row else ""))[:2]]
    return numbers >= [0, 8]

"""Data sets from databases in the spec: the short forms, and every mistake by its place."""

from __future__ import annotations

import pytest

from shipway.spec import QuerySpec, SpecMalformed, parse_spec


def parse(entry: str) -> QuerySpec | None:
    return parse_spec(f"project: p\ndata:\n  new-customers: {entry}\n", path="shipway.yaml").data["new-customers"].query


def test_a_query_says_where_and_by_what() -> None:
    assert parse("{sql: q.sql, key: id}") == QuerySpec(sql="q.sql", address="secret://env/NEW_CUSTOMERS_URL", key=("id",))
    later = parse("{sql: q.sql, from: secret://env/DB, watermark: [at, id], path: out}")
    assert later == QuerySpec(sql="q.sql", address="secret://env/DB", watermark=("at", "id"))
    assert parse("somewhere/") is None


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("{sql: q.sql}", "neither a key nor a watermark"),
        ("{sql: q.sql, key: id, watermark: at}", "both a key and a watermark"),
        ("{sql: q.sql, key: []}", "neither a key nor a watermark"),
        ("{path: data, key: id}", "`key` is of a query"),
        ("{sql: ../q.sql, key: id}", "outside the project"),
        ("{sql: q.sql, key: id, from: 'postgresql://ann:hunter2@db/shop'}", "holds a password"),
        ("{sql: q.sql, key: id, from: 'postgresql://db/shop?password=hunter2'}", "holds a password"),
        ("{sql: q.sql, key: id, from: 'secret://vault/hunter2'}", "has to be a reference"),
    ],
)
def test_a_mistake_is_told_at_its_place_and_without_a_secret(entry: str, words: str) -> None:
    with pytest.raises(SpecMalformed, match=words) as raised:
        parse(entry)
    assert "hunter2" not in raised.value.render()
    assert "shipway.yaml:3:" in raised.value.render()

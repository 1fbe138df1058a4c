"""Data sets from databases in the spec: the short forms, and every mistake by its place."""

from __future__ import annotations

import pytest

from shipway.spec import PlaceSpec, QuerySpec, SpecMalformed, parse_spec


def parse(entry: str) -> QuerySpec | None:
    return parse_spec(f"project: p\ndata:\n  new-customers: {entry}\n", path="shipway.yaml").data["new-customers"].query


def test_a_query_says_where_and_by_what() -> None:
    assert parse("{sql: q.sql, key: id}") == QuerySpec(sql="q.sql", address="secret://env/NEW_CUSTOMERS_URL", key=("id",))
    later = parse("{sql: q.sql, from: secret://env/DB, watermark: [at, id], path: out}")
    assert later == QuerySpec(sql="q.sql", address="secret://env/DB", watermark=("at", "id"))
    assert parse("somewhere/") is None


@pytest.mark.parametrize(
    ("entry", "place"),
    [
        ("{from: s3://acme/a b/2013}", PlaceSpec(address="s3://acme/a b/2013")),
        ("{from: 'delta:tables/t', version: 12}", PlaceSpec(address="delta:tables/t", version="12")),
        ("{from: 'delta:s3://acme/t'}", PlaceSpec(address="delta:s3://acme/t")),
        (
            "{from: 'iceberg://acme/sales.flights', version: main}",
            PlaceSpec(address="iceberg://acme/sales.flights", version="main"),
        ),
        ("{from: 'iceberg:t/v3.metadata.json'}", PlaceSpec(address="iceberg:t/v3.metadata.json")),
        ("{from: 'lakefs://acme/main/flights', path: out}", PlaceSpec(address="lakefs://acme/main/flights")),
        ("{sql: q.sql, from: 'duckdb:x.duckdb', key: id}", None),
    ],
)
def test_data_in_place_are_named_by_from_alone(entry: str, place: PlaceSpec | None) -> None:
    found = parse_spec(f"project: p\ndata:\n  flights: {entry}\n", path="shipway.yaml").data["flights"]
    assert found.place == place
    assert (found.query is None) == (place is not None)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("{from: 's3://'}", "none of a place that can be read"),
        ("{from: 's3://ann:hunter2@acme/x'}", "holds credentials"),
        ("{from: 's3://acme/x?X-Amz-Signature=hunter2'}", "holds credentials"),
        ("{from: 's3://acme/x', key: id}", "`key` is of a query"),
        ("{from: 's3://acme/x', version: 3}", "the version of new-customers is none of a table"),
        ("{from: 'delta:t', version: newest}", "the version of new-customers is none of a table"),
        ("{from: 'iceberg://acme/flights'}", "none of a place that can be read"),
        ("{from: 'lakefs://acme'}", "none of a place that can be read"),
        ("{from: 'delta:https://acme/t'}", "none of a place that can be read"),
        ("{from: 'sqlite:x.db'}", "names no data in place"),
        ("{path: data, version: 3}", "`version` is of a query"),
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

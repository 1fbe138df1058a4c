"""The rows that a model was measured on, with their features, where the step's table is still in the store."""

from __future__ import annotations

import io
from typing import NamedTuple

import polars as pl

from shipway.kernel.digest import Descriptor, Digest
from shipway.pipeline._project import MADE
from shipway.pipeline._scored import load_scores
from shipway.store import ObjectDamaged, ObjectMissing, Store


class HeldOut(NamedTuple):
    """Rows in one order: table, as the step gave it; scored, the scored reference."""

    table: pl.DataFrame
    scored: pl.DataFrame


def held_out_rows(store: Store, model: Digest) -> HeldOut | None:
    """Of a model that was made here; None where its table or its scores are not in this store (any more)."""
    if (row := store.state(MADE, model)) is None:
        return None
    try:
        scored = load_scores(store, Descriptor.from_json(row.value["scores"]))
    except (ObjectMissing, ObjectDamaged):
        return None
    for edge in store.edges_to(Digest(str(row.value["profile"]))):
        if edge.source != model and (table := _table(store, edge.source)) is not None and table.height == scored.height:
            return HeldOut(table, scored)
    return None


def _table(store: Store, digest: Digest) -> pl.DataFrame | None:
    try:
        return pl.read_parquet(io.BytesIO(store.objects.get(digest)))
    except (ObjectMissing, ObjectDamaged, pl.exceptions.PolarsError):
        return None

"""The scored reference: for each of its rows the key, the event time, the score and the label, as one Parquet file."""

from __future__ import annotations

import io
from datetime import date

import polars as pl

from shipway.kernel import media
from shipway.kernel.digest import Descriptor
from shipway.pipeline._model_rows import LABEL, TIME, ModelDeclared, ModelRefused
from shipway.store import Store

_ROW_GROUP = 262_144  # polars' default; said aloud because it decides the bytes of the file


def scored_table(table: pl.DataFrame, model: ModelDeclared, scores: list[pl.Series], label: pl.Series) -> pl.DataFrame:
    """The key columns by their own names, then `time` (when the model has one), the scores and `label`.

    Raises ModelRefused when a key has the name of a score.
    """
    if taken := sorted({series.name for series in scores} & {*model.key}):
        raise ModelRefused(f"a key of model {model.name} is called {taken[0]}", mend="rename it in the reference")
    columns = [table[name] for name in model.key if name != model.time]
    if model.time:
        columns.append(table[model.time].alias(TIME))
    return pl.DataFrame([*columns, *scores, label.alias(LABEL)])


def put_scores(store: Store, table: pl.DataFrame) -> Descriptor:
    """Puts the table as a leaf: equal rows have equal bytes."""
    buffer = io.BytesIO()
    table.rechunk().write_parquet(buffer, compression="zstd", compression_level=3, statistics=True, row_group_size=_ROW_GROUP)
    return store.put_bytes(buffer.getvalue(), media.PARQUET)


def load_scores(store: Store, scores: Descriptor) -> pl.DataFrame:
    """The table of such a leaf, verified. Raises ObjectMissing, ObjectDamaged."""
    return pl.read_parquet(io.BytesIO(store.objects.get(scores.digest)))


def first_held_out_day(store: Store, scores: Descriptor) -> date | None:
    """The day on which the scored reference begins; None where its rows have no time. Raises ObjectMissing, ObjectDamaged."""
    table = load_scores(store, scores)
    if TIME not in table.columns:
        return None
    first: date | None = table.select(pl.col(TIME).cast(pl.Date).min()).item()
    return first

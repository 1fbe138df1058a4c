"""The scored reference: for each of its rows the key, the event time, the score and the label, as one Parquet file."""

from __future__ import annotations

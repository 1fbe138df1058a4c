"""Rows of a query as a snapshot: PostgreSQL, SQLite and DuckDB, read once, in order, cut into Parquet files by what they hold.

Nothing here writes to a database. A driver is imported when an address asks for it.
"""

from __future__ import annotations

from shipway.data.sql._address import Address, parse_address
from shipway.data.sql._query import Query
from shipway.data.sql._take import Taken, measure_query, read_rows, stream_query, take_query

__all__ = ["Address", "Query", "Taken", "measure_query", "parse_address", "read_rows", "stream_query", "take_query"]

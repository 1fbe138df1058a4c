"""Alembic migrations of the catalogue. `HEAD` is the newest revision; a migration and its record commit together."""

HEAD = "0001"
KNOWN = ("0001",)

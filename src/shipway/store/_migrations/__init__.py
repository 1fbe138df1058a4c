"""Alembic migrations of the catalogue. `HEAD` is the newest revision; migrations and their record commit together."""

KNOWN = ("0001", "0002")
HEAD = KNOWN[-1]

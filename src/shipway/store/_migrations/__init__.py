"""Alembic migrations of the catalogue. `HEAD` is the newest revision; migrations and their record commit together."""

KNOWN = ("0001", "0002")
HEAD = KNOWN[-1]
MOVED = "moved-"  # stands before the revision of a catalogue whose rows were brought elsewhere: nobody writes to it any more

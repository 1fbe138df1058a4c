"""Rows of data in place, read where they are: Polars takes the columns that it needs, and no copy is kept."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from shipway.data._errors import SourceGone
from shipway.data._listing import Entry, InPlace, read_in_place
from shipway.data._table import scan_of
from shipway.data.in_place._bring import files_here, lasting_files
from shipway.data.in_place._source import Address, Source, open_source
from shipway.kernel.digest import Digest
from shipway.store import Store

_FRESH = 600  # seconds


def lasting_places(
    store: Store, found: InPlace, entries: Sequence[Entry], *, environ: Mapping[str, str] = os.environ
) -> dict[str, Path | str]:
    """Where the bytes of these files can be read, by path: here where they were brought, else where they are.

    Only what cannot be read there as it was, an older version or a packed file, is brought. Raises as bring_files.
    """
    here = files_here(store, found, entries)
    places: dict[str, Path | str] = {path: store.objects.path(one) for path, one in here.items()}
    if len(here) == len(entries):
        return places
    there = _open(store, found, environ).readable(found)
    places = {path: place for path, place in there.items() if path not in here} | places
    rest = [entry for entry in entries if entry.path not in places]
    return places | dict(lasting_files(store, found, rest, environ=environ))


def check_in_place(store: Store, digest: Digest, *, environ: Mapping[str, str] = os.environ) -> None:
    """Raise SourceGone where tables that were read in place are others by now: then nobody knows which bytes were read."""
    found = read_in_place(store, digest)
    if found is None:
        return
    tables = [entry for entry in found.entries if scan_of(entry.path)]
    here = files_here(store, found, tables)
    if len(here) == len(tables):
        return
    there = _open(store, found, environ).readable(found)
    if lost := [entry.path for entry in tables if entry.path not in there and entry.path not in here]:
        raise SourceGone(f"{lost[0]} changed while it was read", where=found.at, mend="take a new snapshot")


def scan_options(place: str, *, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What Polars has to be told to read at an address; holds secrets."""
    asked = tuple(sorted((name, value) for name, value in environ.items() if name.startswith("AWS_")))
    return dict(_scan_options("/".join(place.split("/", 3)[:3]), asked, int(time.monotonic() // _FRESH)))


@functools.lru_cache(maxsize=8)
def _scan_options(bucket: str, environ: tuple[tuple[str, str], ...], _: int) -> dict[str, str]:
    """Asked once for a table of many files, and again after a while: a role's credentials last an hour."""
    from shipway.store import VersionedBucket

    return VersionedBucket(bucket, dict(environ)).scan_options()


def _open(store: Store, found: InPlace, environ: Mapping[str, str]) -> Source:
    return open_source(Address(found.form, found.at, found.version), root=store.root.parent, environ=environ)

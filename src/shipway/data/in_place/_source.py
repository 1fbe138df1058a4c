"""Which place an address means, and what all places can do."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from shipway.data._errors import SourceDown
from shipway.data._listing import Entry, InPlace


@dataclass(frozen=True, slots=True)
class Address:
    """form: `s3`, `delta`, `iceberg` or `lakefs`; at: as a snapshot has it; version: of a table, None for its newest."""

    form: str
    at: str
    version: str | None = None


class Source(Protocol):
    """A place, looked at and read. All of it raises SourceDown, ObjectsAddress, ObjectsDown, ObjectsRefused."""

    def look(self) -> InPlace:
        """What is there: at the version that was asked for, else now. Raises SourceGone, RowsUnfit for a table whose files
        are not its rows."""

    def fetch(self, entry: Entry, target: Path) -> None:
        """Write the bytes of a file, as a look found it, to a file of ours. Raises SourceGone."""

    def readable(self, found: InPlace) -> Mapping[str, str | Path]:
        """Where Polars can read files, by their path, and finds what the look found. What is not among them is fetched."""


_FORMS = ("delta", "iceberg")


def parse_place(text: str, *, version: str | None = None) -> Address:
    """What a person wrote under `from`. Of lakeFS the ref stands in it, and in no snapshot: there it is the commit.

    >>> parse_place("s3://acme/flights/").at, parse_place("delta:tables/flights", version="3")
    ('s3://acme/flights', Address(form='delta', at='tables/flights', version='3'))
    >>> parse_place("lakefs://repo/main/a/b"), parse_place("iceberg://acme/sales.flights").at
    (Address(form='lakefs', at='lakefs://repo/a/b', version='main'), 'iceberg://acme/sales.flights')
    """
    head, _, rest = text.partition(":")
    if head == "lakefs":
        repository, _, below = rest.removeprefix("//").partition("/")
        ref, _, path = below.partition("/")
        return Address(head, f"lakefs://{repository}/{path}".rstrip("/"), ref)
    if head == "iceberg" and rest.startswith("//"):
        return Address(head, text, version)
    if head in _FORMS:
        return Address(head, rest.rstrip("/"), version)
    return Address(head, text.rstrip("/"), version)


def open_source(address: Address, *, root: Path, environ: Mapping[str, str] = os.environ) -> Source:
    """root: of the project, for tables in a folder of it."""
    opener = _OPENERS.get(address.form)
    if opener is None:
        what = f"this Shipway knows no data in place of the form {address.form!r}"
        raise SourceDown(what, where=address.at, mend="upgrade Shipway")
    return opener(address, root, environ)


def _s3(address: Address, _: Path, environ: Mapping[str, str]) -> Source:
    from shipway.data.in_place._s3 import BucketSource

    return BucketSource(address.at, environ)


def _delta(address: Address, root: Path, environ: Mapping[str, str]) -> Source:
    from shipway.data.in_place._delta import DeltaSource

    return DeltaSource(address.at, address.version, root, environ)


def _iceberg(address: Address, root: Path, environ: Mapping[str, str]) -> Source:
    from shipway.data.in_place._iceberg import IcebergSource

    return IcebergSource(address.at, address.version, root, environ)


def _lakefs(address: Address, _: Path, environ: Mapping[str, str]) -> Source:
    from shipway.data.in_place._lakefs import LakeSource

    return LakeSource(address.at, address.version or "", environ)


_OPENERS: dict[str, Callable[[Address, Path, Mapping[str, str]], Source]] = {
    "s3": _s3,
    "delta": _delta,
    "iceberg": _iceberg,
    "lakefs": _lakefs,
}

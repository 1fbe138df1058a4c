"""Where a database is: the URL of a PostgreSQL server, or a file of SQLite or DuckDB."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from shipway.data._errors import SourceDown

_POSTGRES = ("postgresql", "postgres")
_SUFFIXES = {".db": "sqlite", ".sqlite": "sqlite", ".sqlite3": "sqlite", ".duckdb": "duckdb", ".ddb": "duckdb"}
_MEND = "postgresql://HOST/DATABASE, sqlite:FILE or duckdb:FILE; a file that ends in .db, .sqlite or .duckdb says it itself"


@dataclass(frozen=True, slots=True)
class Address:
    """kind: postgresql, sqlite or duckdb; place: the URL with its secrets, or a path; shown: what of it anybody may read."""

    kind: str
    place: str = field(repr=False)
    shown: str


def parse_address(text: str, *, root: Path) -> Address:
    """The address in a spec or a secret; a relative file is below `root`. Raises SourceDown, without repeating the text."""
    scheme, colon, rest = text.partition(":")
    if scheme in _POSTGRES and rest.startswith("//"):
        return Address("postgresql", text, _shown(text))
    kind = scheme if colon and scheme in ("sqlite", "duckdb") else _SUFFIXES.get(Path(text).suffix.lower())
    path = rest if colon and kind == scheme else text
    if kind is None or not path.strip("/"):
        raise SourceDown("this is no address of a database that is known here", mend=_MEND)
    path = "/" + path.lstrip("/") if path.startswith("///") else path.removeprefix("//")
    return Address(kind, str(root / path), f"{kind}:{path}")


def _shown(url: str) -> str:
    """Host and database: a user, a password and options may be secrets."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "postgresql:"
    return f"postgresql://{parts.hostname or ''}{port}{parts.path}"

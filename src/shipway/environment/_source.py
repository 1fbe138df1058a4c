"""Where an environment's packages come from: wheels that are kept, or uv's cache and the package index."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from shipway.environment._uv import EnvironmentFailed, ask_uv

_UNCACHED = re.compile(r"uncached distribution: (\S+)")
_COUNT = re.compile(r"Would download (\d+) package")
_NAMED = 6  # packages that are named one by one
_KEEP = "where there is a network: shipway release export --with-wheels keeps them"


@dataclass(frozen=True, slots=True)
class Source:
    """wheels: a folder that is all that may be looked at; offline: what is in uv's cache, and nothing else."""

    wheels: Path | None = None
    offline: bool = False

    @property
    def no_network(self) -> list[str]:
        return ["--offline"] if self.offline or self.wheels else []

    @property
    def options(self) -> list[str | Path]:
        """What `uv pip install` is told."""
        found: list[str | Path] = [*self.no_network]
        return [*found, "--no-index", "--find-links", self.wheels] if self.wheels else found

    @property
    def mend(self) -> str | None:
        """What helps when uv could not install; None when there is no advice beyond what uv says."""
        return _KEEP if self.offline and not self.wheels else None

    def describe(self, lock: bytes, *, python: str) -> str:
        """What will be fetched, in words that follow "n packages". Raises EnvironmentFailed when offline and something is."""
        if self.wheels:
            return ", from the wheels in the store: nothing is fetched"
        missing = uncached_packages(lock, python=python, offline=self.offline)
        if missing is None:
            return ""
        if missing.count and self.offline:
            raise EnvironmentFailed(f"offline, and {missing} would have to be fetched", mend=_KEEP)
        return f": {missing} to fetch" if missing.count else ", all in uv's cache: nothing is fetched"


@dataclass(frozen=True, slots=True)
class Uncached:
    """Packages that uv's cache has not; names (`name==version`) may be fewer than count, where uv did not say."""

    count: int
    names: tuple[str, ...]

    def __str__(self) -> str:
        more = self.count - len(self.names[:_NAMED])
        named = ", ".join(self.names[:_NAMED]) + (f" and {more} more" if more > 0 and self.names else "")
        return f"{self.count} ({named})" if named else str(self.count)


def uncached_packages(lock: bytes, *, python: str, offline: bool) -> Uncached | None:
    """The locked packages that uv would download now; None when it cannot say."""
    with tempfile.TemporaryDirectory() as empty, tempfile.NamedTemporaryFile(suffix=".lock") as file:
        file.write(lock)
        file.flush()
        said = ask_uv(
            ["pip", "install", "--dry-run", "--verbose", "--python", python, "--target", empty, "--no-deps",
             *(["--offline"] if offline else []), "--require-hashes", "-r", file.name]
        )  # fmt: skip
    if said is None:
        return None
    count = _COUNT.search(said)
    return Uncached(int(count[1]) if count else 0, tuple(sorted(_UNCACHED.findall(said))))

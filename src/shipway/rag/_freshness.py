"""How far an index version is behind its source: a listing against the version's documents; only ages are remembered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from shipway.kernel.digest import Digest
from shipway.rag._corpus import corpus_documents
from shipway.rag._git import GitBlob, commit_times
from shipway.rag._index import load_version
from shipway.rag._seen import Waiting, first_seen
from shipway.rag._source import Document, SourceFile, list_source, read_source
from shipway.store import Store

_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Freshness:
    """documents: of the source that can be read; stale: of these, changed or new and not in the index; orphans: in the
    index and gone from the source; oldest_seconds: age of the oldest change that is not served, 0 without one; examples:
    keys, the oldest changes first, then orphans.
    """

    documents: int
    stale: int
    orphans: int
    oldest_seconds: float
    examples: tuple[str, ...]


def measure_freshness(
    store: Store, index: Digest, *, source: str, include: Iterable[str] = (), root: Path, now: float
) -> Freshness:
    """Compare the source as it is with an index version. now: seconds of the Unix epoch.

    A changed file's age counts from when it came here (SourceFile.changed; for Git the commit that changed it last), or
    from when it was first seen so, kept in `cache/freshness.json` until it is served: to write it anew makes no age young.
    A deletion has no time and no age. What is no text is neither fresh nor stale. Raises SourceEmpty, SourceUnreadable,
    ObjectMissing.
    """
    served = corpus_documents(store, load_version(store, index))
    listing = list_source(store, source, include, root=root)
    unserved = [file for file in listing.files if served.get(file.key) != file.digest]
    unreadable = _unreadable(unserved)
    waiting = [file for file in unserved if file.key not in unreadable]
    since = first_seen(store.root / "cache" / "freshness.json", index, _waiting(waiting))
    stale = sorted(since, key=lambda key: (since[key], key))
    found = {file.key for file in listing.files} - unreadable
    orphans = sorted(served.keys() - found)
    return Freshness(
        documents=len(found),
        stale=len(stale),
        orphans=len(orphans),
        oldest_seconds=max(0.0, now - since[stale[0]]) if stale else 0.0,
        examples=tuple([*stale, *orphans][:_EXAMPLES]),
    )


def _waiting(files: list[SourceFile]) -> dict[str, Waiting]:
    """Each file with the time that its source tells; a Git history is only asked for what is not served."""
    commits = commit_times([file.place for file in files if isinstance(file.place, GitBlob)])
    return {file.key: Waiting(file.digest, commits.get(file.key, file.changed)) for file in files}


def _unreadable(files: list[SourceFile]) -> set[str]:
    """Those of these files that a sync would leave out."""
    return {found.key for found in read_source(files) if not isinstance(found, Document)}

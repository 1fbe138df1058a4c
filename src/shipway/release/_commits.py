"""Which Git commits lie between the code of two releases, as far as the provenance of their models knows."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from shipway.gate import load_evidence
from shipway.kernel import media
from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.digest import Digest
from shipway.release._described import Look, counted, printable
from shipway.release._manifest import Component

_COMMIT = re.compile(r"[0-9a-f]{40,64}")
_SECONDS = 5.0
_SHOWN = 100  # commits that are asked for; more are no detail any more


class Commit(NamedTuple):
    """What a run was made from; dirty: with changes that were not committed."""

    digest: str
    dirty: bool

    def __str__(self) -> str:
        return self.digest[:10] + (" with edits" if self.dirty else "")


def commit_of(look: Look, parts: Iterable[Component]) -> Commit | None:
    """The commit that the newest trusted provenance of the release's models names, for the code that the release holds."""
    found = list(parts)
    code = next((part.digest for part in found if part.kind == "code"), None)
    if look.keys is None or code is None:
        return None
    models, kind = [part.digest for part in found if part.kind == "model"], media.PROVENANCE_PREDICATE
    runs = [run for model in models for run in load_evidence(look.store, look.keys, model, predicate=kind)]
    for run in sorted(runs, key=lambda run: run.at, reverse=True):
        commit = _commit(run.predicate, code)
        if commit:
            return commit
    return None


def _commit(predicate: JsonObject, code: Digest) -> Commit | None:
    definition = _object(predicate.get("buildDefinition"))
    git = _object(_object(definition.get("internalParameters")).get("git"))
    resolved = definition.get("resolvedDependencies")
    names = [_object(entry) for entry in resolved] if isinstance(resolved, list) else []
    held = {str(_object(entry.get("digest")).get("sha256")) for entry in names if entry.get("name") == "code"}
    commit = git.get("commit")
    if code.removeprefix("sha256:") not in held or not isinstance(commit, str) or not _COMMIT.fullmatch(commit):
        return None
    return Commit(commit, bool(git.get("dirty")))


def _object(value: Json) -> JsonObject:
    return value if isinstance(value, Mapping) else {}


def commit_words(look: Look, source: Commit | None, target: Commit | None) -> tuple[str, list[str]]:
    """`commits 1f2e.. -> 9a8b.. (3 between)` and their titles, where the checkout at hand knows them."""
    if source is None and target is None:
        return "", []
    if source is None or target is None or source.digest == target.digest:
        return f"commit {source or 'not known'} -> {target or 'not known'}", []
    titles = _between(look.root, source.digest, target.digest) if look.root else None
    if titles is None:
        return f"commit {source} -> {target}", []
    back = "" if titles else ", none ahead of it"
    return f"commit {source} -> {target} ({counted(len(titles), 'commit') if titles else 'goes back'}{back})", titles


def _between(root: Path, source: str, target: str) -> list[str] | None:
    """The titles of commits that target has and source has not, newest first; None where Git does not know both."""
    command = ["git", "log", f"--max-count={_SHOWN}", "--format=%h %s", f"{source}..{target}", "--"]
    try:
        asked = subprocess.run(command, cwd=root, capture_output=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return [printable(line) for line in asked.stdout.decode("utf-8", "replace").splitlines()] if asked.returncode == 0 else None

"""Events of a bucket as a function gets them, turned into syncs: one for each index that an event is about."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from shipway.cli._output import Output, Unexpected
from shipway.cli._progress import RunReport
from shipway.cli.rag import told, version_of
from shipway.kernel.errors import ShipwayError

if TYPE_CHECKING:
    from shipway.cli._function_project import FunctionProject
    from shipway.protocols import Letter, ObjectEvent
    from shipway.rag import Progress, Synced
    from shipway.spec import IndexSpec, Spec

_SHOWN = 5  # addresses of one event in the log


def sync_event(project: FunctionProject, event: object, *, left: Callable[[], float]) -> Mapping[str, object]:
    """Sync each index that the event is about, once, and say what became of it; left: seconds until the function is stopped.

    A queue is told which messages shall come again. Raises EventUnknown, and for what came without a queue the first error.
    """
    from shipway.protocols import failed_letters, parse_object_event

    out = Output(False)
    parsed = parse_object_event(event)
    about = {letter.id: _indexes_of(project.spec, letter) for letter in parsed.letters}
    _say_strays(out, project.spec, parsed)
    rows: list[dict[str, object]] = []
    failed: dict[str, ShipwayError] = {}
    for name, index in project.spec.indexes.items():
        if any(name in names for names in about.values()):
            try:
                rows.append(_sync(project, index, out, left))
            except Exception as fault:  # one index is not kept from its documents by another
                failed[name] = _known(fault)
                out.note(failed[name].render())
    if parsed.queued:
        return failed_letters(letter.id for letter in parsed.letters if letter.problem or about[letter.id] & failed.keys())
    if failed:
        raise next(iter(failed.values()))
    return {"kind": "synced", "version": 1, "indexes": rows}


def _sync(project: FunctionProject, index: IndexSpec, out: Output, left: Callable[[], float]) -> dict[str, object]:
    from shipway.operate import backend_of, embedder_from_spec, sync_in_time
    from shipway.rag import sync_index

    environ = project.settings.environ
    embedder = embedder_from_spec(project.spec, index, cache=project.cache, environ=environ)
    backend = backend_of(project.store, index.store, index.url, environ=environ)

    def once(report: Progress) -> Synced:
        store, keys, actor, root = project.store, project.keys, project.actor, project.spec.root
        return sync_index(store, keys, actor, index, root=root, embedder=embedder, report=report, backend=backend)

    try:
        found = sync_in_time(once, what=f"index {index.name}", left=left, report=RunReport(out))
    finally:
        if backend is not None:
            backend.close()
    return told(out, index.name, found, version_of(project, found.ref))


def _indexes_of(spec: Spec, letter: Letter) -> frozenset[str]:
    from shipway.rag import is_of_source

    return frozenset(
        index.name
        for index in spec.indexes.values()
        if any(is_of_source(index.source, index.include, notice.address) for notice in letter.notices)
    )


def _say_strays(out: Output, spec: Spec, parsed: ObjectEvent) -> None:
    """What concerns no index is left alone: a prefix of a notification may be wider than a source."""
    from shipway.rag import is_of_source

    strays = [
        notice.address
        for notice in parsed.notices
        if not any(is_of_source(index.source, index.include, notice.address) for index in spec.indexes.values())
    ]
    if strays:
        out.note(f"of no index of {spec.project}: {_few(strays)}")
    for letter in parsed.letters:
        if letter.problem:
            out.note(letter.problem.render())


def _few(words: Sequence[str]) -> str:
    more = f" and {len(words) - _SHOWN:,} more" if len(words) > _SHOWN else ""
    return ", ".join(words[:_SHOWN]) + more


def _known(problem: Exception) -> ShipwayError:
    if isinstance(problem, ShipwayError):
        return problem
    said = (str(problem).splitlines() or [""])[0]
    return Unexpected(f"unexpected {type(problem).__name__}: {said}")

"""`shipway rag`: indexes of documents."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from shipway.cli._output import Output, json_option
from shipway.cli._settings import Project, Settings
from shipway.cli._workers import RAY, on_option, workers_on
from shipway.kernel.errors import ShipwayError, nearest
from shipway.spec import IndexSpec, Spec

if TYPE_CHECKING:
    from shipway.rag import Synced


class IndexUnknown(ShipwayError):
    """The spec has no index of that name."""

    code = "cli.index-unknown"


@click.group(name="rag")
def command() -> None:
    """Indexes of documents: bring up to date, compare, search."""


@command.command()
@click.argument("names", nargs=-1)
@click.option("--allow-shrink", is_flag=True, help="Publish although half of the documents or more are gone.")
@on_option
@json_option
@click.pass_obj
def sync(settings: Settings, names: tuple[str, ...], allow_shrink: bool, on: str, as_json: bool) -> None:
    """Bring indexes (all without NAMES) up to date and point index/NAME at the new version.

    Only chunks that no version and no cache knows are embedded. A version is never changed in place: the one that is live goes
    on answering until its deployment moves. Ended in the middle, the next sync takes up what was embedded.
    """
    from shipway.cli._progress import RunReport
    from shipway.operate import backend_of, embed_elsewhere, embedder_from_spec
    from shipway.rag import sync_index

    project, out = Project(settings), Output(as_json)
    rows = []
    with workers_on(settings, on) as workers:
        for index in _chosen(project.spec, names):
            embedder = embedder_from_spec(project.spec, index, cache=project.cache, environ=settings.environ)
            elsewhere = embed_elsewhere(workers, embedder, cache=project.cache) if on == RAY else None
            if on == RAY and elsewhere is None:
                out.note(f"index {index.name}: {index.embedder} is a provider, which is asked from here")
            found = sync_index(
                project.store,
                project.keys,
                project.actor,
                index,
                root=project.spec.root,
                embedder=embedder,
                report=RunReport(out),
                backend=backend_of(project.store, index.store, index.url, environ=settings.environ),
                allow_shrink=allow_shrink,
                elsewhere=elsewhere,
            )
            rows.append(told(out, index.name, found, version_of(project, found.ref)))
    out.end("synced", {"indexes": rows}, then="shipway eval")


@command.command()
@click.argument("names", nargs=-1)
@json_option
@click.pass_obj
def status(settings: Settings, names: tuple[str, ...], as_json: bool) -> None:
    """Compare the documents with what index/NAME points at. Exits 1 when something differs."""
    from shipway.rag import measure_freshness

    project, out = Project(settings), Output(as_json)
    rows, differs = [], False
    for index in _chosen(project.spec, names):
        digest = project.store.resolve(f"index/{index.name}")
        found = measure_freshness(
            project.store,
            digest,
            source=index.source,
            include=index.include,
            root=project.spec.root,
            now=project.store.clock.now().timestamp(),
        )
        differs |= bool(found.stale or found.orphans)
        words = f"{found.stale:,} stale, {found.orphans:,} gone" if found.stale or found.orphans else "as in its source"
        out.say(f"index/{index.name:<12} {found.documents:,} documents, {words}")
        for example in found.examples:
            out.say(f"  {example}")
        rows.append(
            {
                "name": index.name,
                "digest": digest,
                "documents": found.documents,
                "stale": found.stale,
                "orphans": found.orphans,
                "oldest_seconds": found.oldest_seconds,
                "examples": list(found.examples),
            }
        )
    out.end("rag-status", {"indexes": rows}, then="shipway rag sync" if differs else "shipway eval")
    if differs:
        raise click.exceptions.Exit(1)


@command.command()
@click.argument("question")
@click.option("--index", "name", default=None, metavar="NAME", help="Which index, when the spec has several.")
@click.option("-k", "count", type=click.IntRange(1, 100), default=5, show_default=True, help="How many passages.")
@click.option("--group", "groups", multiple=True, metavar="GROUP", help="Search as a reader of this group; everything without.")
@json_option
@click.pass_obj
def search(settings: Settings, question: str, name: str | None, count: int, groups: tuple[str, ...], as_json: bool) -> None:
    """Show the passages that fit a question, with where they stand and how each leg of the search ranked them."""
    from shipway.operate import open_named_index
    from shipway.rag import citations

    project, out = Project(settings), Output(as_json)
    chosen = _one(project.spec, name)
    with open_named_index(project.store, project.spec, chosen, cache=project.cache, environ=settings.environ) as index:
        found = index.search(question, count, groups=frozenset(groups) if groups else None)
    for number, passage in enumerate(found.passages, start=1):
        member = passage.member
        ranks = f"meaning {passage.dense_rank or '-'}, words {passage.text_rank or '-'}"
        out.say(f"{number}. {member.document} ({member.start} to {member.end}; {ranks})  {member.heading}")
        out.say("   " + " ".join(member.text.split())[:160])
    if found.degraded:
        out.note(f"without: {', '.join(found.degraded)}")
    rows = [
        {**citation, "score": passage.score, "dense_rank": passage.dense_rank, "text_rank": passage.text_rank, "text": text}
        for citation, passage in zip(citations(found.passages), found.passages, strict=True)
        for text in (passage.member.text,)
    ]
    out.end("passages", {"index": chosen.name, "passages": rows, "degraded": list(found.degraded)}, then="shipway eval")


def told(out: Output, name: str, found: Synced, version: int) -> dict[str, object]:
    """What a sync did, in a line and as JSON."""
    from shipway.kernel.digest import short

    chunks = f"{found.chunks:,} chunks, {found.new_chunks:,} new, {found.embedded:,} embedded"
    counts, state = f"{found.documents:,} documents, {chunks}", "moved" if found.changed_ref else "as it was"
    out.say(f"{found.ref:<12} {short(found.index)}  version {version}, {counts}, {found.seconds:.2f} s, {state}")
    for unreadable in found.unreadable:
        out.say(f"  left out  {unreadable.key}: {unreadable.reason}")
    same = ("documents", "chunks", "new_chunks", "embedded", "added", "changed", "removed")
    return {
        "name": name,
        "digest": found.index,
        "version": version,
        **{field: getattr(found, field) for field in same},
        "unreadable": [{"document": one.key, "reason": one.reason} for one in found.unreadable],
        "seconds": round(found.seconds, 3),
        "moved": found.changed_ref,
    }


def version_of(project: Project, ref: str) -> int:
    """How many versions an index has had, this one included."""
    return len({record.target for record in project.store.lives(ref)})


def _one(spec: Spec, name: str | None) -> IndexSpec:
    chosen = _chosen(spec, (name,) if name else ())
    if len(chosen) > 1:
        raise IndexUnknown("which index?", where=str(spec.path), mend="--index " + " or ".join(found.name for found in chosen))
    return chosen[0]


def _chosen(spec: Spec, names: tuple[str, ...]) -> list[IndexSpec]:
    for name in names:
        if name not in spec.indexes:
            near = nearest(name, list(spec.indexes)) or ", ".join(spec.indexes)
            mend = f"did you mean {near}?" if near else f"add it under indexes: as in {name}: FOLDER"
            raise IndexUnknown(f"the spec has no index {name}", where=str(spec.path), mend=mend)
    if not spec.indexes:
        raise IndexUnknown("the spec has no index", where=str(spec.path), mend="add one under indexes: as in docs: FOLDER")
    return [index for name, index in spec.indexes.items() if not names or name in names]

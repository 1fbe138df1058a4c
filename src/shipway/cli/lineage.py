"""`shipway lineage`: what an object came from and what used it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from shipway.cli._group import CommandGroup
from shipway.cli._output import Misused, Output, json_option
from shipway.cli._settings import Project, Settings

if TYPE_CHECKING:
    from shipway.release import Lineage


@click.command(name="lineage")
@click.argument("what")
@click.option("--up", is_flag=True, help="Only what it came from.")
@click.option("--down", is_flag=True, help="Only what used it.")
@click.option("--depth", type=click.IntRange(1, 50), default=3, show_default=True, help="Steps in either direction.")
@click.option(
    "--most", type=click.IntRange(1, 10_000), default=20, show_default=True, help="Objects a step; the rest is counted."
)
@click.option("--dot", is_flag=True, help="A graph for Graphviz on stdout.")
@json_option
@click.pass_obj
def alone(settings: Settings, what: str, up: bool, down: bool, depth: int, most: int, dot: bool, as_json: bool) -> None:
    """Show what an object came from and what used it.

    WHAT is a ref, a whole digest or its first four digits. Each object is shown once with what comes after it; further places
    only name it.
    """
    from shipway.kernel.digest import parse_digest, short
    from shipway.operate import Ambiguous, find_meant
    from shipway.release import note_lineage, trace_lineage

    if dot and as_json:
        raise Misused("--dot and --json are two forms of one answer", mend="give one of them")
    project, out = Project(settings), Output(as_json or dot)
    project.use_store_alone()
    meant = find_meant(project.store, what)
    if meant.kind not in ("ref", "digest"):
        raise Ambiguous(f"{what!r} is a {meant.kind}, and has no lineage of its own", mend=f"shipway why {what}")
    root = project.store.resolve(meant.name) if meant.kind == "ref" else parse_digest(meant.name)
    note_lineage(project.store)
    trees = {
        word: trace_lineage(project.store, root, down=word == "used_by", depth=depth, most=most)
        for word, wanted in (("came_from", up), ("used_by", down))
        if wanted or up == down
    }
    if dot:
        click.echo(_dot(trees))
        return
    for word, tree in trees.items():
        out.say(f"{tree.kind} {short(root)} {word.replace('_', ' ')}")
        for line in _lines(tree, "  "):
            out.say(line)
        if not tree.next and not tree.beyond:
            out.say("  nothing that is recorded")
    document = {"asked": what, "digest": root, **{word: tree.to_json() for word, tree in trees.items()}}
    out.end("lineage", document, then=f"shipway why {short(root)}")


def _lines(tree: Lineage, indent: str) -> Iterator[str]:
    from shipway.kernel.digest import short

    for child in tree.next:
        names = f"  {', '.join(child.names)}" if child.names else ""
        again = "  (shown elsewhere)" if child.again else ""
        yield f"{indent}{child.role}: {child.kind} {short(child.digest)}{names}{again}"
        yield from _lines(child, indent + "  ")
    if tree.beyond:
        yield f"{indent}and {tree.beyond:,} more"


def _dot(trees: dict[str, Lineage]) -> str:
    """The graph of both directions; an arrow points from what was before to what was made of it."""
    from shipway.kernel.digest import short
    from shipway.release import lineage_edges

    nodes = {node.digest: node for tree in trees.values() for node in _nodes(tree)}
    edges = dict.fromkeys(edge for word, tree in trees.items() for edge in lineage_edges(tree, down=word == "used_by"))
    lines = ["digraph lineage {", "  rankdir=LR;", "  node [shape=box];"]
    for digest, node in nodes.items():
        label = "\n".join([f"{node.kind} {short(digest)}", *node.names])
        lines.append(f"  {json.dumps(digest)} [label={json.dumps(label)}];")
    lines += [f"  {json.dumps(e.source)} -> {json.dumps(e.target)} [label={json.dumps(e.role)}];" for e in edges]
    return "\n".join([*lines, "}"])


def _nodes(tree: Lineage) -> Iterator[Lineage]:
    yield tree
    for child in tree.next:
        yield from _nodes(child)


command = CommandGroup(alone, {"events": "lineage_events"})

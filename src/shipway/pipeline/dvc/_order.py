"""Which stages come before which: whoever needs what another makes, or a part of it, or a folder that it lies in. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from shipway.data.dvc import DvcMalformed
from shipway.pipeline._ordered import order_names
from shipway.pipeline.dvc._types import Stage


def order_stages(stages: Sequence[Stage]) -> tuple[Stage, ...]:
    """Each stage after those it needs, otherwise in the file's order. Raises DvcMalformed for a circle."""
    by_name = {stage.name: stage for stage in stages}
    before = {stage.name: needs_of(stage, stages) for stage in stages}
    return tuple(by_name[name] for name in order_names(before, partial(_circle, by_name)))


def needs_of(stage: Stage, stages: Sequence[Stage]) -> tuple[str, ...]:
    """The names of the stages whose outs a stage reads; itself, where it reads what it makes."""
    made = {out.path: other.name for other in stages for out in other.outs}
    found: dict[str, None] = {}
    for dep in stage.deps:
        found |= {name: None for path, name in made.items() if meets(dep.path, path)}
    return tuple(found)


def meets(one: str, other: str) -> bool:
    """Whether one path is the other, or lies below it.

    >>> meets("a/b", "a"), meets("a", "a/b"), meets("ab", "a")
    (True, True, False)
    """
    return one == other or one.startswith(f"{other}/") or other.startswith(f"{one}/")


def _circle(stages: Mapping[str, Stage], path: tuple[str, ...]) -> DvcMalformed:
    names = " -> ".join((*path, path[0]))
    return DvcMalformed(
        f"stages need each other in a circle: {names}", where=stages[path[0]].where, mend="correct a dep or an out"
    )

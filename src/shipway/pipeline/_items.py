"""A step that is repeated over a list: its elements, and what makes one value of theirs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from shipway.kernel.canonical import Json, NotCanonical, canonical_json, parse_object
from shipway.kernel.digest import Descriptor
from shipway.pipeline._options import MOST_ITEMS
from shipway.pipeline._types import Input, InputKind, Node, StepValueUnusable
from shipway.store import Store

COLLECTOR = "shipway_collected"  # a module and its one function, in a folder of their own
_COLLECTOR = f"def {COLLECTOR}(values):\n    return values\n"  # the runner's codecs do the work, with the project's library


def json_value(store: Store, step: str, output: Descriptor) -> Json:
    """The plain value of a step. Raises StepValueUnusable, ObjectMissing, ObjectDamaged."""
    try:
        value: Json = json.loads(store.objects.get(output.digest))
    except (ValueError, RecursionError) as problem:
        raise StepValueUnusable(f"the value of step {step} cannot be read: {problem}", mend="return a plain value") from problem
    return value


def read_items(step: str, source: str, value: Json) -> list[Json]:
    """The elements of the list that a step is repeated over, as an action's key holds them. Raises StepValueUnusable."""
    if not isinstance(value, list):
        what = f"the step {step} is repeated over {source}, which gave no list"
        raise StepValueUnusable(what, mend=f"return a list from {source}")
    if len(value) > MOST_ITEMS:
        what = f"the step {step} is repeated over {source}, which gave {len(value):,} elements"
        raise StepValueUnusable(what, mend=f"at most {MOST_ITEMS:,}: give each more to do")
    try:
        kept = parse_object(canonical_json({"items": value}))["items"]
    except NotCanonical as problem:
        raise StepValueUnusable(f"an element of {source} cannot be kept: {problem}", mend="return plain values") from problem
    if kept != value or not isinstance(kept, list):
        raise StepValueUnusable(f"an element of {source} holds a whole number beyond 2^53", mend="give it as text")
    return list(kept)


def element_node(node: Node, item: Json) -> Node:
    """The step as it is run for one element."""
    assert node.each is not None
    return replace(node, inputs={**node.inputs, node.each.argument: Input(InputKind.ITEM, item)})


def put_collector(folder: Path) -> Path:
    """The code that gives what it is given, for the codecs to read many tables and write one."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{COLLECTOR}.py").write_text(_COLLECTOR)
    return folder


def schema_problem(step: str, tables: Sequence[Path]) -> str | None:
    """Why these Parquet files make no one table; None when they do."""
    import polars as pl

    if not tables:
        return f"the step {step} is repeated over an empty list, and a table of nothing has no columns"
    first, *others = (pl.read_parquet_schema(path) for path in tables)
    for number, other in enumerate(others, start=1):
        if other != first:
            return f"the step {step} gave another table for element {number} than for element 0: {_difference(first, other)}"
    return None


def _difference(first: object, other: object) -> str:
    before, after = (f"{schema}"[7:-1][:200] for schema in (first, other))
    return f"{before} and {after}"

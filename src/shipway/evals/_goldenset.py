"""The golden set as an object: rows, samples and scorers together are the definition that a policy names by its digest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

from shipway.evals._golden import GoldenRow, parse_golden
from shipway.evals._judge import Judge
from shipway.kernel.canonical import JsonObject, canonical_json
from shipway.kernel.digest import Descriptor, Digest
from shipway.spec import EvalSpec
from shipway.store import Store

GOLDEN_ROWS = "application/vnd.shipway.golden.v1+jsonl"


class GoldenSet(NamedTuple):
    """A golden set as it was kept; rows by id."""

    name: str
    rows: tuple[GoldenRow, ...]
    samples: int
    at: tuple[int, ...]
    scorers: tuple[str, ...]
    judge: Judge | None
    groups: frozenset[str] = frozenset()  # whose view of the documents is measured; none: what everybody may see


def goldenset_object(store: Store, spec: EvalSpec, rows: Sequence[GoldenRow], judge: Judge | None) -> JsonObject:
    """Keeps the rows as a leaf, sorted by id, and gives the object; whoever needs its digest puts it.

    Rows in another order, keys in another order or a target written as a list of one are the same definition.
    """
    lines = [canonical_json(row.to_json()) + b"\n" for row in sorted(rows, key=lambda row: row.id)]
    groups: JsonObject = {"groups": list(spec.groups)} if spec.groups else {}  # the public view has no word for itself
    return {
        "kind": "goldenset",
        "version": 1,
        "name": spec.name,
        "rows": store.put_bytes(b"".join(lines), GOLDEN_ROWS).to_json(),
        "items": len(rows),
        "samples": spec.samples,
        "at": list(spec.at),
        "scorers": list(spec.scorers),
        "judge": judge.to_json() if judge else None,
        **groups,
    }


def load_goldenset(store: Store, digest: Digest) -> GoldenSet:
    """The golden set of this digest, verified. Raises ObjectMissing, ObjectDamaged, ObjectUnexpected, GoldenMalformed."""
    record = store.get(digest, "goldenset")
    leaf = Descriptor.from_json(record["rows"])
    judge = record["judge"]
    return GoldenSet(
        name=str(record["name"]),
        rows=parse_golden(store.objects.get(leaf.digest), where=leaf.digest),
        samples=int(cast("int", record["samples"])),
        at=tuple(cast("list[int]", record["at"])),
        scorers=tuple(cast("list[str]", record["scorers"])),
        judge=Judge.from_json(cast("JsonObject", judge)) if judge else None,
        groups=frozenset(cast("list[str]", record.get("groups") or [])),
    )

"""Branches, merges and tags of data sets: refs `data/NAME@LABEL`, each moved through its gate; no byte is copied."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from shipway.data import Conflict, LabelTaken, NoCommonSnapshot, Side, merge_snapshots
from shipway.gate import move_ref
from shipway.kernel.digest import Digest
from shipway.pipeline._contracted import attest_contract
from shipway.pipeline._hands import Hands
from shipway.pipeline._labels import TAG, check_branch, label_ref
from shipway.store import Edge, while_working

_MERGED = "merge"  # edges: from the snapshot that was merged to the one that was made


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge made of a ref: target is None where there are conflicts, and then nothing moved."""

    ref: str
    base: Digest
    ours: Digest
    theirs: Digest
    target: Digest | None
    conflicts: tuple[Conflict, ...]


@while_working
def branch_data(hands: Hands, *, name: str, label: str, target: Digest, tag: bool = False, why: str = "") -> str:
    """A new ref of a data set at a snapshot; the ref. tag: it is never moved again. Raises LabelTaken, MoveRefused."""
    ref = label_ref(name, label)
    present = hands.store.ref(ref)
    if present is not None:
        mend = f"shipway data log {ref.removeprefix('data/')}, and take another name"
        raise LabelTaken(f"{ref} is there already", where=present.digest, mend=mend)
    move_ref(hands.store, hands.keys, hands.actor, ref=ref, target=target, why=why)
    if tag:
        hands.store.put_state(TAG, ref, {"version": 1, "snapshot": target})
    return ref


@while_working
def merge_data(
    hands: Hands, *, name: str, label: str, into: str | None = None, choices: Mapping[str, Side] | None = None, why: str = ""
) -> Merged:
    """Bring what was done at one ref of a data set into another, which moves through its gate.

    choices: as of merge_files. Raises RefMissing, NoCommonSnapshot, LabelTaken, MoveRefused.
    """
    store, ref, other = hands.store, label_ref(name, into), label_ref(name, label)
    check_branch(hands, ref)
    ours, theirs = store.resolve(ref), store.resolve(other)
    base = _common(hands, ref, other)
    if base is None:
        mend = f"shipway data diff {ref.removeprefix('data/')} {other.removeprefix('data/')}"
        raise NoCommonSnapshot(f"{ref} and {other} never were at one snapshot", where=name, mend=mend)
    target, conflicts = (
        (theirs, ()) if ours == base else merge_snapshots(store, base=base, ours=ours, theirs=theirs, choices=choices)
    )
    if target is None:
        return Merged(ref, base, ours, theirs, None, conflicts)
    if target != ours:
        attest_contract(store, hands.signer, hands.keys, hands.actor, name=name, snapshot=target)
    move_ref(store, hands.keys, hands.actor, ref=ref, target=target, why=why or f"merge {other}")
    if target not in (ours, theirs):
        store.add_edges([Edge(theirs, target, _MERGED)])
    return Merged(ref, base, ours, theirs, target, ())


def _common(hands: Hands, ref: str, other: str) -> Digest | None:
    """The newest snapshot of the other's past that is in both pasts."""
    ours = set(_past(hands, ref))
    return next((one for one in _past(hands, other) if one in ours), None)


def _past(hands: Hands, ref: str) -> Iterator[Digest]:
    """Where a ref was, newest first, each with what was merged into it."""
    for record in hands.store.lives(ref):
        if record.target is not None:
            yield record.target
            yield from (edge.source for edge in hands.store.edges_to(record.target) if edge.role == _MERGED)

"""Trees as arrays of indices: whether a walk from the root stays inside them and ends.

Libraries of trees follow these indices without a look. A file made by hand could read any memory of the process.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from shipway.models._model import ModelUntrusted

Ints = npt.NDArray[np.int64]
_MEND = "fit and save the model again; these bytes were made by hand"


def untrusted(what: str) -> ModelUntrusted:
    return ModelUntrusted(what, mend=_MEND)


def whole(values: Sequence[Any], size: int, what: str) -> Ints:
    """So many whole numbers as an array; raises ModelUntrusted."""
    array = np.asarray(values) if len(values) else np.empty(0, np.int64)
    if array.shape != (size,) or array.dtype.kind not in "iu":
        raise untrusted(f"a tree says {what} of {array.size} values where it has {size} nodes, or others than whole numbers")
    return array.astype(np.int64)


def check_within(index: Ints, size: int, what: str) -> None:
    """Raises ModelUntrusted unless every index is in 0..size-1."""
    if index.size and (index.min() < 0 or index.max() >= size):
        raise untrusted(f"a tree asks for {what} it does not have: number {index[(index < 0) | (index >= size)][0]} of {size}")


def check_walk(left: Ints, right: Ints, size: int) -> None:
    """Children of inner nodes: each within the tree, none the root, none of two parents; so every walk ends.

    Raises ModelUntrusted.
    """
    children = np.concatenate([left, right])
    check_within(children, size, "a node")
    if (children == 0).any() or np.unique(children).size != children.size:
        raise untrusted("a tree has a node that is its own descendant, or that of two others")

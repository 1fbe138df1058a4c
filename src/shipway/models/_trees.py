"""Whether the trees in a loaded model stay within their arrays: scikit-learn follows their indices without a look.

A file made by hand could read any memory of the process that predicts. So every index is compared with what it points
into: children with the nodes, features with the columns that the model lets through, categories with their bitsets.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

_UNCHECKED = ("sklearn.ensemble._forest", "sklearn.ensemble._gb", "sklearn.ensemble._iforest")  # feed trees past their check
_WORDS = 8  # of 32 bits in a bitset of 256 categories


class _Place(NamedTuple):
    """Where a tree hangs: the estimator that feeds it, the columns that are sure to be there, whether it feeds unchecked."""

    owner: Any = None
    columns: int | None = None
    unchecked: bool = False


def wild_trees(estimator: object) -> list[str]:
    """What is wrong with the trees in a loaded model: nodes that point outside, backwards, or at no feature. Empty: nothing."""
    return [problem for tree, place in _trees(estimator) if (problem := _problem(tree, place))]


def _trees(model: object) -> Iterator[tuple[Any, _Place]]:
    """Every tree that can be reached from the model's attributes, once for each estimator that feeds it."""
    seen, waiting = set[tuple[int, int, int | None, bool]](), [(model, _Place())]
    while waiting:
        thing, place = waiting.pop()
        mark = (id(thing), id(place.owner), place.columns, place.unchecked)
        if mark in seen or isinstance(thing, type):
            continue
        seen.add(mark)
        if type(thing).__name__ in ("TreePredictor", "Tree") and type(thing).__module__.startswith("sklearn."):
            yield thing, place
        else:
            below, parts = _within(thing, place)
            waiting.extend((part, below) for part in parts)


def _within(thing: Any, place: _Place) -> tuple[_Place, list[Any]]:
    """The parts of a thing, and the place that they hang at."""
    if isinstance(thing, dict):
        return place, list(thing.values())
    if isinstance(thing, list | tuple | set):
        return place, list(thing)
    if isinstance(thing, np.ndarray):
        return place, thing.ravel().tolist() if thing.dtype.hasobject else []
    parts = getattr(thing, "__dict__", {})
    columns = parts.get("n_features_in_")
    if isinstance(columns, int | np.integer):
        sure = min(int(columns), place.columns) if place.unchecked and place.columns is not None else int(columns)
        place = _Place(thing, sure, type(thing).__module__ in _UNCHECKED)
    return place, list(parts.values())


def _problem(tree: Any, place: _Place) -> str | None:
    if place.columns is None:
        return "a tree is in no model that says how many features it takes"
    try:
        return _of_tree(tree, place.columns) if type(tree).__name__ == "Tree" else _of_boosted(tree, place)
    except (AttributeError, TypeError, ValueError, IndexError, KeyError) as problem:
        return f"a tree is not made as scikit-learn makes it: {problem}"


def _of_tree(tree: Any, columns: int) -> str | None:
    if not 0 < tree.node_count <= tree.capacity:
        return "a tree claims more nodes than it has, or none"
    if tree.n_features > columns:
        return f"a tree asks for a feature it does not have: it takes {tree.n_features} where its model takes {columns}"
    inner = tree.children_left != -1
    return _outside(tree.children_left, tree.children_right, inner) or _beyond_features(tree.feature[inner], tree.n_features)


def _of_boosted(tree: Any, place: _Place) -> str | None:
    """A tree of histogram gradient boosting: nodes are one array, categories of a split a row of a bitset array."""
    nodes, bins = tree.nodes, place.owner._bin_mapper
    inner = nodes["is_leaf"] == 0
    split = inner & (nodes["is_categorical"] != 0)
    categorical = np.asarray(bins.is_categorical_, dtype=bool)
    bitsets = (tree.raw_left_cat_bitsets, tree.binned_left_cat_bitsets)
    if nodes.ndim != 1 or not nodes.size:
        return "a tree has no nodes"
    if categorical.shape != (place.columns,):
        return f"a tree has bins of {categorical.size} features where its model takes {place.columns}"
    if not _keeps_columns(getattr(place.owner, "_preprocessor", None)):
        return "a tree is fed by a preparation that may drop columns"
    if problem := _beyond_features(nodes["feature_idx"][inner], categorical.size):
        return problem
    if not categorical[nodes["feature_idx"][split]].all():
        return "a tree splits a feature by category that is a number in its model"
    if any(bitset.dtype != np.uint32 or bitset.ndim != 2 or bitset.shape[1] != _WORDS for bitset in bitsets):
        return "a tree keeps categories in another form than scikit-learn's"
    if any(_beyond(nodes["bitset_idx"][split], len(bitset)) for bitset in bitsets):
        return "a tree asks for categories it does not have"
    return _outside(nodes["left"], nodes["right"], inner)


def _keeps_columns(preparation: Any) -> bool:
    """Whether every column goes into one of the two transformers that scikit-learn makes, which give one for each."""
    if preparation is None:
        return True
    (_, encoder, words), (_, plain, numbers), *_ = preparation.transformers_
    names = (type(preparation).__name__, type(encoder).__name__, type(plain).__name__, plain.func.func.__name__)
    made = ("ColumnTransformer", "OrdinalEncoder", "FunctionTransformer", "check_array")
    return names == made and bool((np.asarray(words) ^ np.asarray(numbers)).all())


def _outside(left: Any, right: Any, inner: Any) -> str | None:
    """A child comes after its parent and within the array, so that every walk ends at a leaf."""
    own = np.flatnonzero(inner)
    for child in (left[inner].astype(np.int64), right[inner].astype(np.int64)):
        if np.any(child <= own) or _beyond(child, len(left)):
            return "a tree has a node that points outside it"
    return None


def _beyond_features(index: Any, columns: int) -> str | None:
    if not _beyond(index, columns):
        return None
    wild = index[(index < 0) | (index >= columns)][0]
    return f"a tree asks for a feature it does not have: number {wild} of {columns}"


def _beyond(index: Any, size: int) -> bool:
    return bool(np.any(index.astype(np.int64) < 0) or np.any(index.astype(np.int64) >= size))

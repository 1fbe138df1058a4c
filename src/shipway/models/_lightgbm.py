"""LightGBM's own text, answered by the project's own lightgbm on one thread. Nothing else of a model is kept, so no pickle."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from shipway.models._boosted import Answers, BoostedModel, ordered, prediction, probabilities
from shipway.models._columns import Array
from shipway.models._library import library
from shipway.models._model import ModelUnknown
from shipway.models._signature import Column
from shipway.models._tree_arrays import Ints, check_walk, check_within, untrusted, whole

_FIRST, _END = "\nTree=0\n", "end of trees\n"
_PLAIN_NAME = re.compile(r"Column_\d+")  # LightGBM's own, for features without one
_KEY = re.compile(r"[A-Za-z_]*")
_WHOLE = re.compile(r"-?\d{1,10}( -?\d{1,10})*", re.ASCII)
_VALUE = r"-?(?:\d+(?:\.\d*)?(?:e[+-]?\d{1,3})?|inf|nan)"
_VALUES = re.compile(f"{_VALUE}(?: {_VALUE})*", re.ASCII)
_PER_LEAF = ("leaf_value", "leaf_weight", "leaf_count")
_PER_NODE = ("split_gain", "threshold", "internal_value", "internal_weight", "internal_count")  # beside those that are followed
_NUMBER_OF_CLASSES = re.compile(r"\bnum_class:(\d+)")


def load_lightgbm(data: bytes, inputs: tuple[Column, ...]) -> BoostedModel:
    """The booster in LightGBM's text; raises ModelUntrusted (a tree leads outside itself), ModelUnknown (it does not fit)."""
    try:
        facts = _facts(data.decode("latin-1"))  # a character a byte, as LightGBM counts
        text = data[: facts.end].decode("utf-8")
    except (ValueError, KeyError, IndexError, OverflowError) as problem:
        raise ModelUnknown(f"not the text that LightGBM saves: {problem!r}") from problem
    order = ordered(_named_as_lightgbm_does(inputs), facts.names, facts.features, "LightGBM")
    named = {_name(column.name): column for column in inputs}
    booster = _booster(text)

    def ask(matrix: Array) -> Array:
        answers: Array = booster.predict(matrix, num_threads=1)
        return answers

    return BoostedModel(ask, inputs=inputs, order=tuple(named[column.name] for column in order), answers=facts.answers)


def _named_as_lightgbm_does(inputs: tuple[Column, ...]) -> tuple[Column, ...]:
    return tuple(Column(_name(column.name), column.datatype) for column in inputs)


def _name(name: str) -> str:
    return re.sub(r"\s", "_", name)


def _booster(text: str) -> Any:
    lightgbm = library("lightgbm")
    lightgbm.register_logger(logging.getLogger("lightgbm"))  # otherwise it prints, also where others read our lines
    try:
        return lightgbm.Booster(model_str=text)
    except Exception as problem:  # LightGBM's own, and whatever its Python meets in the parameters at the end
        raise ModelUnknown(f"not a model that LightGBM {lightgbm.__version__} can read: {problem}") from problem


class _Facts(NamedTuple):
    """What the file says: number and names of features (none when LightGBM made them up), what it answers.

    end: of the trees. What follows is how it was trained: LightGBM follows that without a look too, and answers without it.
    """

    features: int
    names: list[str]
    answers: Answers
    end: int


def _facts(text: str) -> _Facts:
    """Raises ModelUntrusted, ModelUnknown; ValueError, KeyError or IndexError for other text."""
    if not text.startswith("tree\n") or "\r" in text or "\0" in text:
        raise ValueError("it does not begin as one, or has odd ends of lines")
    begin = text.index(_FIRST) + 1 if _FIRST in text else text.index(_END)
    header = _pairs(text[:begin])
    features, classes, trees = (_count(header, name) for name in ("max_feature_idx", "num_class", "num_tree_per_iteration"))
    blocks = _blocks(text, begin, _numbers(header.get("tree_sizes", "")))
    objective = header.get("objective", "")
    said = _NUMBER_OF_CLASSES.search(objective)
    many = objective.startswith("multiclass")
    if classes < 1 or trees != classes or len(blocks) % classes or int(said[1] if said else 1) != classes or many != bool(said):
        raise untrusted("the file says several numbers of classes")
    for block in blocks:
        _check_tree(_pairs(block), features + 1)
    _check_tail(text)
    names = header["feature_names"].encode("latin-1").decode("utf-8").split(" ")
    answers = _answers(objective, classes)
    end = begin + sum(map(len, blocks)) + len(_END)
    return _Facts(features + 1, [] if all(map(_PLAIN_NAME.fullmatch, names)) else names, answers, end)


def _answers(objective: str, classes: int) -> Answers:
    if objective.startswith("binary"):
        return probabilities(2)
    return probabilities(classes) if objective.startswith("multiclass") else prediction()


def _check_tail(text: str) -> None:
    last = text.rstrip().rpartition("\n")[2]
    if last.startswith("pandas_categorical:") and json.loads(last.partition(":")[2]):
        raise ModelUnknown(
            "the model was fitted on categories of pandas", mend="fit it on numbers: encode the categories before"
        )


def _blocks(text: str, begin: int, sizes: list[int]) -> list[str]:
    """The trees where LightGBM looks for them: by the sizes that the file says."""
    blocks, place = [], begin
    for number, size in enumerate(sizes):
        block = text[place : place + size]
        if size < 1 or not block.startswith(f"Tree={number}\n") or "Tree=" in block[1:]:
            raise untrusted("the trees are not where the file says")
        blocks.append(block)
        place += size
    if not text.startswith(_END, place):
        raise untrusted("the trees are not where the file says")
    return blocks


def _pairs(block: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in block.split("\n"):
        name, _, value = line.partition("=")
        if name in found and name:
            raise ValueError(f"{name} comes twice")
        if not _KEY.fullmatch(name):
            raise ValueError(f"a line that is no name and value: {line[:40]}")
        found[name] = value
    return found


def _check_tree(tree: Mapping[str, str], features: int) -> None:
    if odd := next((name for name, values in tree.items() if values and not _VALUES.fullmatch(values)), None):
        raise ValueError(f"{odd} of a tree holds what is no number")  # LightGBM would end the process
    leaves = _count(tree, "num_leaves")
    if tree.get("is_linear", "0") != "0":
        raise ModelUnknown("linear trees are not read by this version", mend="fit without linear_tree")
    if leaves < 1 or not tree["leaf_value"] or any(_count_of(tree, name) not in (0, leaves) for name in _PER_LEAF):
        raise untrusted("a tree has other numbers of values than leaves")
    if any(_count_of(tree, name) not in (0, leaves - 1) for name in _PER_NODE):
        raise untrusted("a tree has other numbers of values than nodes")
    if leaves == 1:
        return
    nodes = leaves - 1
    left, right, split, kind = (
        _ints(tree, name, nodes) for name in ("left_child", "right_child", "split_feature", "decision_type")
    )
    # one line of numbers: inner nodes first, then the leaves, which LightGBM writes as ~leaf
    places = [np.where(child < 0, nodes + ~child, child) for child in (left, right)]
    if (np.concatenate([left, right]) >= nodes).any():
        raise untrusted(f"a tree asks for a node it does not have: number {max(left.max(), right.max())} of {nodes}")
    check_walk(places[0], places[1], nodes + leaves)
    check_within(split, features, "a feature")
    _check_categories(tree, (kind & 1).astype(bool), nodes)


def _count_of(tree: Mapping[str, str], name: str) -> int:
    return len(tree.get(name, "").split())


def _check_categories(tree: Mapping[str, str], split: Array, nodes: int) -> None:
    """A split by category names its piece of one list of bits by the number in its threshold."""
    thresholds = np.array([float(value) for value in tree["threshold"].split()])
    if thresholds.shape != (nodes,):
        raise untrusted("a tree has other numbers of values than nodes")
    count = _count(tree, "num_cat")
    if count:
        ends = _ints(tree, "cat_boundaries", count + 1)
        words = len(tree["cat_threshold"].split())
        if ends[0] != 0 or ends[-1] != words or (np.diff(ends) < 0).any():
            raise untrusted("a tree asks for categories it does not have")
    with np.errstate(invalid="ignore"):
        check_within(thresholds[split].astype(np.int64), count, "a split by category")


def _ints(tree: Mapping[str, str], name: str, size: int) -> Ints:
    return whole(_numbers(tree[name]), size, name)


def _numbers(text: str) -> list[int]:
    if text and not _WHOLE.fullmatch(text):
        raise ValueError(f"no whole numbers: {text[:40]}")
    return [int(value) for value in text.split()]


def _count(record: Mapping[str, str], name: str) -> int:
    (value,) = _numbers(record[name])
    return value

"""XGBoost's own JSON, answered by the project's own xgboost on one thread. Nothing else of a model is kept, so no pickle."""

from __future__ import annotations

import json
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

_DIGITS = re.compile(r"\d{1,9}", re.ASCII)
_NODES = ("left_children", "right_children", "split_indices", "split_conditions", "default_left", "parents")
_NUMBERS = ("base_weights", "loss_changes", "sum_hessian")  # of each node too, and followed nowhere
_NO_PARENT = 2**31 - 1


def load_xgboost(data: bytes, inputs: tuple[Column, ...]) -> BoostedModel:
    """The booster in XGBoost's JSON; raises ModelUntrusted (a tree leads outside itself), ModelUnknown (it does not fit)."""
    try:
        facts = _facts(json.loads(data, object_pairs_hook=_once))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as problem:
        raise ModelUnknown(f"not the JSON that XGBoost saves: {problem!r}") from problem
    order = ordered(inputs, facts.names, facts.features, "XGBoost")
    booster = _booster(data)
    rounds = facts.rounds

    def ask(matrix: Array) -> Array:
        answers: Array = booster.inplace_predict(matrix, iteration_range=rounds, validate_features=False)
        return answers

    return BoostedModel(ask, inputs=inputs, order=order, answers=facts.answers)


def _booster(data: bytes) -> Any:
    xgboost = library("xgboost")
    booster = xgboost.Booster({"nthread": 1})
    try:
        booster.load_model(bytearray(data))
    except xgboost.core.XGBoostError as problem:
        line = next((line for line in reversed(str(problem).splitlines()) if "Error" in line or "Check" in line), str(problem))
        raise ModelUnknown(f"not a model that XGBoost {xgboost.__version__} can read: {line.strip()[:200]}") from problem
    booster.set_param({"nthread": 1})
    return booster


class _Facts(NamedTuple):
    """What the file says: number and names of features, what it answers, which rounds scikit-learn's classes ask."""

    features: int
    names: list[str]
    answers: Answers
    rounds: tuple[int, int]


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A name that came twice would be one thing to us and another to XGBoost."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name comes twice")
    return found


def _facts(record: Any) -> _Facts:
    """Raises ModelUntrusted, ModelUnknown; KeyError, TypeError or ValueError for other JSON."""
    learner = record["learner"]
    sizes = learner["learner_model_param"]
    features, classes = _count(sizes["num_feature"]), _count(sizes["num_class"])
    if _count(sizes.get("num_target", 1)) > 1:
        raise ModelUnknown("a model of several targets at once is not read by this version")
    _check_trees(learner["gradient_booster"], features, max(classes, 1))
    objective, attributes = learner["objective"], learner.get("attributes") or {}
    said = [_count(part["num_class"]) for part in objective.values() if isinstance(part, dict) and "num_class" in part]
    if said != ([classes] if str(objective["name"]).startswith("multi:") else []) or (classes > 1 and not said):
        raise untrusted("the file says several numbers of classes")
    if (base := str(sizes["base_score"])).startswith("[") and len(json.loads(base)) not in (1, classes):
        raise untrusted("the file says other base scores than classes")
    stopped = attributes.get("best_iteration") if "scikit_learn" in attributes else None
    rounds = (0, _count(stopped) + 1) if stopped is not None else (0, 0)
    names = [str(name) for name in learner.get("feature_names") or []]
    return _Facts(features, names, _answers(str(objective["name"]), classes), rounds)


def _count(value: Any) -> int:
    """XGBoost writes its parameters as text; only digits mean the same to us and to it."""
    if not _DIGITS.fullmatch(str(value)):
        raise ValueError(f"no number: {str(value)[:40]}")
    return int(value)


def _answers(objective: str, classes: int) -> Answers:
    if objective == "binary:logistic":
        return probabilities(2)
    return probabilities(classes) if objective == "multi:softprob" else prediction()


def _check_trees(booster: Mapping[str, Any], features: int, groups: int) -> None:
    if booster["name"] == "dart":
        if len(booster["weight_drop"]) != len(booster["gbtree"]["model"]["trees"]):
            raise untrusted("a forest of DART has other weights than trees")
        booster = booster["gbtree"]
    if booster["name"] != "gbtree":
        raise ModelUnknown(f"the booster {booster['name']} is not read by this version", mend="use gbtree or dart")
    model = booster["model"]
    if (model.get("cats") or {}).get("enc"):
        raise ModelUnknown(
            "the model was fitted on categories of a table", mend="fit it on numbers: encode the categories before"
        )
    trees = model["trees"]
    if _count(model["gbtree_model_param"]["num_trees"]) != len(trees):
        raise untrusted("the file says another number of trees than it has")
    check_within(whole(model["tree_info"], len(trees), "the class"), groups, "a class")
    ends = np.asarray(model.get("iteration_indptr", [0, len(trees)]))
    if ends.dtype.kind != "i" or ends[0] != 0 or ends[-1] != len(trees) or (np.diff(ends) < 0).any():
        raise untrusted("the file's rounds are not those of its trees")
    for place, tree in enumerate(trees):
        if tree["id"] != place:  # XGBoost puts a tree where its id says, and leaves a hole where none does
            raise untrusted("a tree has the number of another one")
        _check_tree(tree, features)


def _check_tree(tree: Mapping[str, Any], features: int) -> None:
    parameters = tree["tree_param"]
    size = _count(parameters["num_nodes"])
    if _count(parameters.get("size_leaf_vector", 1)) > 1:
        raise ModelUnknown("a tree with several numbers at a leaf is not read by this version")
    if size < 1 or any(len(tree[name]) != size for name in (*_NODES, *_NUMBERS)):
        raise untrusted("a tree has other numbers of values than nodes")
    left, right, split = (whole(tree[name], size, name) for name in _NODES[:3])
    inner = left != -1
    if ((right != -1) != inner).any():
        raise untrusted("a tree has a node with one child")
    check_walk(left[inner], right[inner], size)
    _check_parents(whole(tree["parents"], size, "parents"), left, right)
    check_within(split[inner], features, "a feature")
    kinds = whole(tree["split_type"], size, "split_type") if tree.get("split_type") else np.zeros(size, np.int64)
    _check_categories(tree, np.flatnonzero(kinds == 1))


def _check_parents(parents: Ints, left: Ints, right: Ints) -> None:
    """XGBoost follows them when it reads a tree; a node that was pruned away keeps the one it had."""
    inner = np.flatnonzero(left != -1)
    for children in (left, right):
        if not np.array_equal(parents[children[inner]], inner):
            raise untrusted("a tree has a node whose parent is another one")
    if parents[0] != _NO_PARENT:
        raise untrusted("a tree has a root with a parent")
    check_within(parents[parents != _NO_PARENT], len(parents), "a parent")


def _check_categories(tree: Mapping[str, Any], splits: Array) -> None:
    """Each split by category names its piece of one list."""
    nodes, categories = tree.get("categories_nodes") or [], tree.get("categories") or []
    begins, sizes = (whole(tree.get(name) or [], len(nodes), name) for name in ("categories_segments", "categories_sizes"))
    if not np.array_equal(whole(nodes, len(nodes), "categories_nodes"), splits):
        raise untrusted("a tree has categories for other nodes than those that split by them")
    check_within(whole(categories, len(categories), "categories"), 1 << 24, "a category")
    if ((begins < 0) | (sizes < 0) | (begins + sizes > len(categories))).any():
        raise untrusted("a tree asks for categories it does not have")

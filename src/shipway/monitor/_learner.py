"""Gradient-boosted regression of whoever is installed: LightGBM, whose numbers are NannyML's, else scikit-learn.

Both are imported when something is fitted and never before: nothing that gates or serves needs them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from shipway.kernel.errors import ShipwayError
from shipway.stats import Learner

Floats = NDArray[np.float64]
Predict = Callable[[Floats], Floats]
T = TypeVar("T")
_ROUNDS = 100
_MOST_WORDS = 254  # of a column that scikit-learn takes as a category; rarer ones are as if unseen
_SEED = 42


class LearnerMissing(ShipwayError):
    """An estimate of losses is fitted by gradient boosting, and neither library of it is installed."""

    code = "monitor.learner-missing"

    def __init__(self) -> None:
        super().__init__("an estimate of losses needs LightGBM or scikit-learn", mend="pip install lightgbm")


def find_learner() -> Learner:
    """The better one that is there. Raises LearnerMissing."""
    for find in (_lightgbm, _scikit_learn):
        try:
            return find()
        except ImportError:
            continue
    raise LearnerMissing


def _lightgbm() -> Learner:
    """With the defaults of LGBMRegressor, on one thread: the numbers are then the same on every machine."""
    import lightgbm

    quiet: dict[str, Any] = {"objective": "regression", "verbosity": -1, "num_threads": 1}

    def fit(table: Floats, categories: Sequence[int], targets: Sequence[Floats]) -> list[Predict]:
        rows = lightgbm.Dataset(table, targets[0], categorical_feature=list(categories), params=quiet, free_raw_data=False)

        def predicting(booster: Any) -> Predict:
            return lambda rows: np.asarray(booster.predict(rows), dtype=np.float64)

        # bins are made once, for all targets
        return [predicting(lightgbm.train(quiet, rows.set_label(target), num_boost_round=_ROUNDS)) for target in targets]

    return Learner(f"lightgbm {lightgbm.__version__}", fit)


def _scikit_learn() -> Learner:
    """Near LightGBM's and not equal to it: bins and categories are made otherwise. On one thread as well."""
    import sklearn
    from sklearn.ensemble import HistGradientBoostingRegressor

    def fit(table: Floats, categories: Sequence[int], targets: Sequence[Floats]) -> list[Predict]:
        known = _few_words(table, categories)
        asked: dict[str, Any] = {"max_iter": _ROUNDS, "early_stopping": False, "random_state": _SEED}
        models = [HistGradientBoostingRegressor(categorical_features=list(categories), **asked) for _ in targets]

        def predicting(model: Any) -> Predict:
            return lambda rows: _alone(lambda: np.asarray(model.predict(_few_words(rows, categories)), dtype=np.float64))

        return [predicting(_alone(partial(model.fit, known, target))) for model, target in zip(models, targets, strict=True)]

    return Learner(f"scikit-learn {sklearn.__version__}", fit)


def _alone(work: Callable[[], T]) -> T:
    """Without OpenMP's other threads, which wait for each other wherever a machine does something else."""
    limits: Any = import_module("threadpoolctl")  # comes with scikit-learn
    with limits.threadpool_limits(1, user_api="openmp"):
        return work()


def _few_words(table: Floats, categories: Sequence[int]) -> Floats:
    few = table.copy()
    columns = few[:, list(categories)]
    few[:, list(categories)] = np.where(columns > _MOST_WORDS, 0, columns)
    return few

"""What a model answered that gives no probability, as columns of a profile: a number, or the likeliest class and each chance.

They add up and drift as features do, over edges that the held-out answers of the release fixed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shipway.data._errors import ProfileMismatch
from shipway.data._measure import measure_profile, reference_profile
from shipway.data._profile import ColumnProfile, Profile

NUMBER, CLASS, CHANCE = "prediction", "class", "probability"
MOST_CHANCES = 50  # classes whose chances are profiled; of more the shares of the predicted classes alone


def reference_predictions(answers: ArrayLike, *, classes: Sequence[str] = ()) -> Mapping[str, ColumnProfile]:
    """Of the held-out rows; fixes the edges of all later ones.

    answers: (n,) numbers, or (n, classes) chances. Columns: `prediction`, or `class` (the likeliest one) and
    `probability_CLASS` of up to 50 classes. Raises ProfileMismatch.
    """
    return reference_profile(_table(answers, classes)).columns


def measure_predictions(
    reference: Mapping[str, ColumnProfile], answers: ArrayLike, *, classes: Sequence[str] = ()
) -> Mapping[str, ColumnProfile]:
    """Of a window, over the edges of the reference; arguments and errors as there."""
    return measure_profile(Profile(0, reference), _table(answers, classes)).columns


def _table(answers: ArrayLike, classes: Sequence[str]) -> dict[str, NDArray[Any]]:
    given = np.asarray(answers, dtype=np.float64)
    if given.ndim != (2 if classes else 1) or (classes and given.shape[1] != len(classes)):
        raise ProfileMismatch("an answer is a number, or a chance for each class", mend="pass the answers of one model")
    if not classes:
        return {NUMBER: given}
    known = np.isfinite(given).all(axis=1)
    likeliest = np.full(len(given), None, dtype=object)
    likeliest[known] = np.array(classes, dtype=object)[given[known].argmax(axis=1)]
    chances = {f"{CHANCE}_{name}": given[:, at] for at, name in enumerate(classes)} if len(classes) <= MOST_CHANCES else {}
    return {CLASS: likeliest, **chances}

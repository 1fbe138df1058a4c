"""Which rows of the log a ref is answerable for: a record names its deployment by digest, a person by ref."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from shipway.data import Profile, measure_answers, reference_predictions
from shipway.kernel.digest import Descriptor, Digest, is_digest, parse_digest
from shipway.models import Signature
from shipway.monitor._faults import past_unreadable
from shipway.monitor._tables import SCORE, list_deployments
from shipway.pipeline import MADE, class_scores, load_scores
from shipway.release import ReleaseMalformed, find_component, load_components
from shipway.store import Store

SHADOW = "shadow"  # the arm whose answers nobody was given

Reference = Callable[[Digest], Profile | None]
"""The reference profile of a release, None when it has none."""


def rows_of_ref(store: Store, predictions: pl.LazyFrame, ref: str) -> pl.LazyFrame:
    """The predictions that were answered for `deploy/<application>@<environment>`, shadows left out.

    Those of a deployment that cannot be read are nobody's for now: they stay in the log.
    """
    ours = []
    for name in list_deployments(store):
        with past_unreadable():
            ours += [name] if deployment_ref(store, name) == ref else []
    return predictions.filter(pl.col("deployment").is_in(ours), pl.col("arm") != SHADOW)


def deployment_ref(store: Store, deployment: str) -> str:
    """The ref that a deployment object is for; text that is no digest is the name itself. Raises ObjectMissing.

    >>> deployment_ref(None, "delay@prod")
    'deploy/delay@prod'
    """
    if not is_digest(deployment):
        return deployment if deployment.startswith("deploy/") else f"deploy/{deployment}"
    value = store.get(parse_digest(deployment), "deployment")
    return f"deploy/{value['application']}@{value['environment']}"


def release_reference(store: Store, release: Digest) -> Profile | None:
    """The reference profile that a release carries, None when it carries none.

    Of a model that answers a number or classes it has the answers of its held-out rows, where those are in this store: how far
    they were from what became true, and how they are distributed.
    """
    try:
        components = load_components(store, release)
        component = find_component(components, "profile")
    except ReleaseMalformed:
        return None
    value: Any = store.get(component.digest)
    profile = Profile.from_json(value)
    models = [one.digest for one in components if one.kind == "model"]
    if profile.outcomes is not None or len(models) != 1:
        return profile
    held = _held_out_answers(store, models[0])
    if held is None:
        return profile
    answered, truth, classes = held
    answers = measure_answers(answered, truth, classes=classes)
    return replace(profile, answers=answers, predictions=reference_predictions(answered, classes=classes))


class _HeldOut(NamedTuple):
    """answers: (n,) numbers or (n, classes) chances; truth: (n,) numbers or places of classes; classes: () of a number."""

    answers: NDArray[np.float64]
    truth: NDArray[np.float64]
    classes: tuple[str, ...]


def _held_out_answers(store: Store, model: Digest) -> _HeldOut | None:
    """What the model answered on its reference, which is kept beside the release and not in it: it may be elsewhere."""
    if (made := store.state(MADE, model)) is None:
        return None
    scored = load_scores(store, Descriptor.from_json(made.value["scores"]))
    chances, truth = class_scores(scored), scored["label"].cast(pl.Float64).to_numpy()
    if chances is None:
        return _HeldOut(scored["score"].cast(pl.Float64).to_numpy(), truth, ())
    classes = classes_of(store, model)
    return _HeldOut(chances, truth, classes) if len(classes) == chances.shape[1] else None


def classes_of(store: Store, model: Digest) -> tuple[str, ...]:
    """The classes of a model that answers a probability for each, in the order of its outputs; none of any other model."""
    outputs = Signature.from_json(store.get(model, "model")["signature"]).outputs
    return tuple(column.name.removeprefix(f"{SCORE}_") for column in outputs if column.name.startswith(f"{SCORE}_"))

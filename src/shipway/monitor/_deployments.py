"""Which rows of the log a ref is answerable for: a record names its deployment by digest, a person by ref."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import polars as pl

from shipway.data import AnswerProfile, Profile, measure_answers
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

    Of a model that answers a number or classes it has the answers of its held-out rows, where those are in this store.
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
    return replace(profile, answers=_held_out_answers(store, models[0]))


def _held_out_answers(store: Store, model: Digest) -> AnswerProfile | None:
    """What the model answered on its reference, which is kept beside the release and not in it: it may be elsewhere."""
    if (made := store.state(MADE, model)) is None:
        return None
    scored = load_scores(store, Descriptor.from_json(made.value["scores"]))
    chances, label = class_scores(scored), scored["label"].to_numpy()
    if chances is None:
        return measure_answers(scored["score"].to_numpy(), label)
    outputs = Signature.from_json(store.get(model, "model")["signature"]).outputs
    named = [column.name.removeprefix(f"{SCORE}_") for column in outputs if column.name.startswith(f"{SCORE}_")]
    return measure_answers(chances, label, classes=named) if len(named) == chances.shape[1] else None

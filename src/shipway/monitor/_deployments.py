"""Which rows of the log a ref is answerable for: a record names its deployment by digest, a person by ref."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl

from shipway.data import Profile
from shipway.kernel.digest import Digest, is_digest, parse_digest
from shipway.monitor._faults import past_unreadable
from shipway.monitor._tables import list_deployments
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
    """The reference profile that a release carries, None when it carries none."""
    try:
        component = find_component(load_components(store, release), "profile")
    except ReleaseMalformed:
        return None
    value: Any = store.get(component.digest)
    return Profile.from_json(value)

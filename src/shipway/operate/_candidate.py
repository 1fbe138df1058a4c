"""The candidate of a deployment, as `shipway release` makes it: nothing that asks or evaluates is loaded for it."""

from __future__ import annotations

from shipway.operate._answering import local_weights
from shipway.operate._prompts import take_prompts
from shipway.pipeline import Hands
from shipway.release import Candidate, make_release
from shipway.spec import DeploySpec, Spec


def lock_candidate(hands: Hands, spec: Spec, deploy: DeploySpec, *, why: str = "") -> Candidate:
    """Take the prompts as their files are, and make the release: `shipway release`. Raises NothingToRelease."""
    take_prompts(hands, spec)
    store, keys, actor = hands.store, hands.keys, hands.actor
    return make_release(store, keys, actor, spec, deploy, weights=local_weights, why=why)

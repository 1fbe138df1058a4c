"""Releases and deployments: manifest, candidate, plan, apply, rollback, rebuild."""

from typing import TYPE_CHECKING

from shipway.kernel.lazy import lazy_exports
from shipway.release._answering import NothingToRelease, Weights, gateway_settings, provider_object
from shipway.release._apply import (
    NothingToReturnTo,
    PolicyUnmeetable,
    apply_plan,
    apply_release,
    policy_change,
    publish_policy,
    roll_back,
)
from shipway.release._approve import approve_release
from shipway.release._candidate import Candidate, lock_release, make_release
from shipway.release._child import child_release
from shipway.release._deployment import (
    deploy_ref,
    deployment_object,
    monitors_of,
    outcomes_of,
    release_descriptor,
    with_release,
    workers_of,
)
from shipway.release._intact import ReleaseDamaged, check_intact
from shipway.release._manifest import Component, ReleaseMalformed, find_component, load_components, put_release, reach
from shipway.release._plan import Change, NoCandidate, Plan, candidate_of, make_plan
from shipway.release._planned import (
    KeptPlan,
    PlanAltered,
    PlanForeign,
    PlanMalformed,
    PlanStale,
    PlanVersion,
    apply_planned,
    keep_plan,
    load_plan,
)

if TYPE_CHECKING:
    from shipway.release._rebuild import Equality, RebuildRefused, Rebuilt, attest_rebuild, rebuild_release

_HOME = {"_rebuild": ["Equality", "Rebuilt", "RebuildRefused", "attest_rebuild", "rebuild_release"]}  # needs numpy

__all__ = [
    "Candidate",
    "Change",
    "Component",
    "Equality",
    "KeptPlan",
    "NoCandidate",
    "NothingToRelease",
    "NothingToReturnTo",
    "Plan",
    "PlanAltered",
    "PlanForeign",
    "PlanMalformed",
    "PlanStale",
    "PlanVersion",
    "PolicyUnmeetable",
    "RebuildRefused",
    "Rebuilt",
    "ReleaseDamaged",
    "ReleaseMalformed",
    "Weights",
    "apply_plan",
    "apply_planned",
    "apply_release",
    "approve_release",
    "attest_rebuild",
    "candidate_of",
    "check_intact",
    "child_release",
    "deploy_ref",
    "deployment_object",
    "find_component",
    "gateway_settings",
    "keep_plan",
    "load_components",
    "load_plan",
    "lock_release",
    "make_plan",
    "make_release",
    "monitors_of",
    "outcomes_of",
    "policy_change",
    "provider_object",
    "publish_policy",
    "put_release",
    "reach",
    "rebuild_release",
    "release_descriptor",
    "roll_back",
    "with_release",
    "workers_of",
]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(__name__, _HOME)

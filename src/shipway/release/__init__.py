"""Releases and deployments: manifest, candidate, plan, apply, rollback, rebuild."""

from shipway.release._apply import NothingToReturnTo, apply_plan, apply_release, policy_change, publish_policy, roll_back
from shipway.release._approve import approve_release
from shipway.release._candidate import MADE, Candidate, NothingToRelease, make_release
from shipway.release._deployment import deploy_ref, deployment_object, release_descriptor, with_release, workers_of
from shipway.release._manifest import Component, ReleaseMalformed, find_component, load_components, put_release, reach
from shipway.release._plan import Change, NoCandidate, Plan, candidate_of, make_plan

__all__ = [
    "MADE",
    "Candidate",
    "Change",
    "Component",
    "NoCandidate",
    "NothingToRelease",
    "NothingToReturnTo",
    "Plan",
    "ReleaseMalformed",
    "apply_plan",
    "apply_release",
    "approve_release",
    "candidate_of",
    "deploy_ref",
    "deployment_object",
    "find_component",
    "load_components",
    "make_plan",
    "make_release",
    "policy_change",
    "publish_policy",
    "put_release",
    "reach",
    "release_descriptor",
    "roll_back",
    "with_release",
    "workers_of",
]

"""What the pages of `up` do, as whoever started it: each call opens the project as it is then, and closes it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from shipway.cli._settings import Project, Settings

if TYPE_CHECKING:
    from shipway.access import KeyRing
    from shipway.cli._retraining import Retraining
    from shipway.gate import Moved
    from shipway.kernel.canonical import JsonObject
    from shipway.kernel.digest import Digest
    from shipway.release import AskedArm, Plan
    from shipway.spec import DeploySpec
    from shipway.store import Store
    from shipway.web import Approved, Desk, Draft, Reviewed


def open_desk(settings: Settings, store: Store, retraining: Retraining) -> Desk:
    """The desk of one project; the store is the one that `up` runs on, whatever shipway.yaml says later."""
    from shipway.cli._oncall import open_oncall
    from shipway.web import Desk

    actor = Project(settings)
    actor.__dict__["store"] = store
    name = actor.actor.name
    return Desk(
        actor=name,
        root=store.root.parent,
        keys=lambda: _keys(settings),
        plan=lambda name: _plan(settings, name),
        apply=lambda record, why: _apply(settings, store, record, why),
        approve=lambda name, release, why: _approve(settings, name, release, why),
        review=lambda name, snapshot: _review(settings, name, snapshot),
        say=lambda word, name, snapshot, why: _say(settings, word, name, snapshot, why),
        oncall=open_oncall(settings, store, retraining, actor=name),
    )


def plan_of(project: Project, deploy: DeploySpec, release: Digest | None = None, arms: Sequence[AskedArm] = ()) -> Plan:
    """Live against desired, as `shipway plan` shows it."""
    from shipway.cli._desired import golden_of, keep_prices
    from shipway.release import make_plan, policy_change

    store, spec = project.store, project.spec
    policy = policy_change(store, spec, golden=golden_of(store, spec))
    prices = keep_prices(store, spec, deploy)
    who = (store, project.keys, project.actor)
    return make_plan(*who, spec, deploy, release=release, policy=policy, prices=prices, arms=arms)


@contextmanager
def _project(settings: Settings) -> Iterator[Project]:
    project = Project(settings)
    try:
        yield project
    finally:
        if "store" in project.__dict__:
            project.store.close()


def _keys(settings: Settings) -> KeyRing:
    return Project(settings).keys


def _deploy(project: Project, name: str) -> DeploySpec:
    from shipway.store import RefMissing

    found = project.spec.deploy.get(name)
    if found is None:
        known = ", ".join(list(project.spec.deploy)[:5]) or "none"
        raise RefMissing(f"shipway.yaml has no deployment {name[:80]!r}", where=project.spec.project, mend=f"known: {known}")
    return found


def _plan(settings: Settings, name: str) -> Draft:
    from shipway.release import draft_plan
    from shipway.web import Draft

    with _project(settings) as project:
        plan = plan_of(project, _deploy(project, name))
        return Draft(plan, draft_plan(project.store, project.actor, plan))


def _apply(settings: Settings, opened: Store, record: JsonObject, why: str) -> Moved:
    """Keep the plan that was shown, then do exactly that."""
    from shipway.kernel.canonical import canonical_json
    from shipway.release import apply_planned, load_plan

    with _project(settings) as project:
        project.__dict__["store"] = store = opened.again()  # a plan holds all that it needs: no spec is read
        store.put(record)
        plan = load_plan(store, canonical_json(record), where="the plan")
        return apply_planned(store, project.keys, project.actor, plan, signer=project.signer, why=why)


def _approve(settings: Settings, name: str, release: Digest, why: str) -> Approved:
    from shipway.release import approve_release
    from shipway.web import Approved

    with _project(settings) as project:
        deploy = _deploy(project, name)
        envelope = approve_release(project.store, project.signer, project.actor, deploy.application, release, why=why)
        return Approved(project.actor.name, envelope)


def _review(settings: Settings, name: str, snapshot: Digest | None) -> Reviewed:
    from shipway.cli._data_sides import review_of
    from shipway.web import Reviewed

    with _project(settings) as project:
        return Reviewed(*review_of(project, name, snapshot))


def _say(settings: Settings, word: str, name: str, snapshot: Digest, why: str) -> Approved:
    from shipway.release import approve_object, comment_on, reject_object
    from shipway.web import Approved

    with _project(settings) as project:
        who, ref = (project.store, project.signer, project.actor), f"data/{name}"
        if word == "approve":
            envelope = approve_object(*who, ref=ref, target=snapshot, why=why)
        elif word == "reject":
            envelope = reject_object(*who, ref=ref, target=snapshot, why=why)
        else:
            envelope = comment_on(*who, ref=ref, target=snapshot, text=why)
        return Approved(project.actor.name, envelope)

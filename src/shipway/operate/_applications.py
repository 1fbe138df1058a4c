"""An application that answers a prompt, from the spec's side: its candidate, its golden sets, its prices, its evaluation."""

from __future__ import annotations

from collections.abc import Mapping

from shipway.gate import release_of
from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import Digest
from shipway.kernel.errors import ShipwayError, nearest
from shipway.llm import resolve_prices
from shipway.operate._answering import local_weights, provider_from_spec, release_answers, spec_keys
from shipway.operate._asking import Place, World
from shipway.operate._evaluate import LEVEL, Evaluated, Evaluating, evaluate_release, golden_sets
from shipway.operate._measured import Measured
from shipway.operate._prompts import take_prompts
from shipway.operate._surroundings import custom_prices
from shipway.pipeline import Hands, Report
from shipway.release import deploy_ref, lock_release
from shipway.spec import DeploySpec, Pass, Spec, rule_of
from shipway.store import ObjectDamaged, ObjectMissing, Store


class NothingToEvaluate(ShipwayError):
    """The spec has no golden set, or what is named answers no prompt."""

    code = "operate.nothing-to-evaluate"


def golden_of(store: Store, spec: Spec) -> dict[str, Digest]:
    """The golden sets of the spec, by evaluation; none where it has no evaluations."""
    return golden_sets(store, spec) if spec.evals else {}


def evaluate_candidate(
    hands: Hands,
    spec: Spec,
    deploy: DeploySpec,
    *,
    world: World,
    release: Digest | None = None,
    only: str | None = None,
    report: Report,
) -> tuple[Evaluated, ...]:
    """Ask the golden sets of what the files and refs say now (or of a release that was made), and of what is live.

    No ref of a release moves: equal components are one release, so what is measured here counts for the one that
    `shipway release` makes. Raises NothingToEvaluate, NothingToRelease, and what evaluating raises.
    """
    if not spec.evals:
        raise NothingToEvaluate("the spec has no golden set", where=str(spec.path), mend="evals: {golden: golden.jsonl}")
    if release is None:
        take_prompts(hands, spec)
        release = lock_release(hands.store, spec, deploy, weights=local_weights)
    return check_application(hands, spec, deploy, release, world=world, only=only, report=report)


def check_application(
    hands: Hands,
    spec: Spec,
    deploy: DeploySpec,
    release: Digest,
    *,
    world: World,
    only: str | None = None,
    report: Report,
) -> tuple[Evaluated, ...]:
    """Every golden set (or the one named) asked of a release that answers a prompt. Raises NothingToEvaluate."""
    if not release_answers(hands.store, release):
        raise NothingToEvaluate(f"{deploy.name} answers no prompt", where=release, mend="shipway check")
    if only is not None and only not in spec.evals:
        near = nearest(only, list(spec.evals)) or ", ".join(spec.evals)
        raise NothingToEvaluate(f"the spec has no golden set {only}", where=str(spec.path), mend=f"did you mean {near}?")
    golden = {name: digest for name, digest in golden_of(hands.store, spec).items() if only in (None, name)}
    live = live_release(hands.store, deploy_ref(deploy))
    level, rule = _level(spec, deploy), rule_of(spec.policy, deploy_ref(deploy), observed=True)
    evaluating = Evaluating(hands, deploy.application, world, report, level, rule)
    return evaluate_release(evaluating, release, golden, live=live)


def measured_of(found: tuple[Evaluated, ...]) -> tuple[Measured, ...]:
    """The evidence of several golden sets."""
    return tuple(measured for evaluated in found for measured in evaluated.measured)


def live_release(store: Store, ref: str) -> Digest | None:
    """What a deployment has live that answers a prompt; None when nothing can be compared with."""
    present = store.ref(ref)
    try:
        release = release_of(store, present.digest) if present else None
        return release if release and release_answers(store, release) else None
    except (ObjectMissing, ObjectDamaged):
        return None


def world_of(hands: Hands, spec: Spec, *, environ: Mapping[str, str], again: bool = False) -> World:
    """With what the spec's applications are evaluated."""
    return World(
        environ=environ,
        keys=spec_keys(spec),
        prices=_prices(hands.store, spec),
        cache=hands.cache,
        again=again,
        providers={name: provider_from_spec(found) for name, found in spec.providers.items()},
        places={name: Place(index.store, index.url) for name, index in spec.indexes.items()},
    )


def keep_prices(store: Store, spec: Spec, deploy: DeploySpec) -> Digest | None:
    """The price table that calls are booked by from now on; the one in use when no price and no limit is another."""
    if deploy.target != "gateway":
        return None
    table = _prices(store, spec)
    present = store.ref(deploy_ref(deploy))
    gateway = store.get(present.digest, "deployment").get("gateway") if present else None
    digest = gateway.get("prices") if isinstance(gateway, Mapping) else None
    if digest:
        held = store.get(Digest(str(digest)), "prices")
        if (held["rates"], held["limits"]) == (table["rates"], table["limits"]):
            return Digest(str(digest))
    return store.put(table)


def _prices(store: Store, spec: Spec) -> JsonObject:
    providers = [provider_from_spec(found) for found in spec.providers.values()]
    return resolve_prices(providers, on=store.clock.now().date(), custom=custom_prices(spec))


def _level(spec: Spec, deploy: DeploySpec) -> float:
    """The coverage of the intervals: 95 %, or more where the policy of this deployment asks for more."""
    rule = rule_of(spec.policy, deploy_ref(deploy), observed=True)
    return max([LEVEL, *(asked.level for asked in rule.require if not isinstance(asked, Pass))])

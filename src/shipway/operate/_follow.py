"""Following: when a component's ref moves, a child release that differs in it alone goes through the deployment's gate.

Level-triggered: what is live is compared with what the followed refs name. A component that was live here once is followed
to again only when its ref has moved since the deployment did, so a rollback stays where it went while documents that are
as they once were do come back; and a refusal is not repeated before something is different.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import NamedTuple, cast

from shipway.gate import TIMING, Judgement, MoveRefused, judge_move, move_ref, policy_in_force
from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import Digest, short
from shipway.llm import Provider
from shipway.operate._answering import provider_keys, release_answers
from shipway.operate._asking import Place, World
from shipway.operate._evaluate import LEVEL, Evaluating, evaluate_release
from shipway.operate._patience import Patience
from shipway.pipeline import Hands, Report
from shipway.release import (
    Component,
    check_intact,
    child_release,
    load_components,
    release_descriptor,
    with_release,
)
from shipway.spec import Pass
from shipway.store import ObjectDamaged, ObjectMissing, Store

FOLLOWED = ("prompt", "index")


class Followed(NamedTuple):
    """A followed move: the child release, and whether the gate let it live."""

    ref: str
    source: Digest
    release: Digest
    judgement: Judgement
    moved: bool


def follow(
    hands: Hands,
    ref: str,
    *,
    world: Callable[[], World] | None = None,
    environ: Mapping[str, str],
    report: Report,
    patience: Patience | None = None,
) -> Followed | None:
    """Bring a deployment after the refs that it follows; None when there is nothing to follow.

    world: asked for prices and providers as the spec has them; those of the deployment when left out; patience: what failed
    a moment ago is not asked again, and raised again. Raises what evaluating and moving raise, but MoveRefused, which is an
    answer.
    """
    store = hands.store
    present = store.resolve(ref)
    deployment = store.get(present, "deployment")
    live = release_descriptor(deployment).digest
    wanted = next(_wanted(hands, ref, present, deployment, live), None)
    if wanted is None:
        return None
    child, moved, target = wanted
    with (patience or Patience()).trying(ref, target):
        _name_candidate(hands, ref, deployment, child, moved)
        report.note(f"{ref} follows {moved.kind}/{moved.name} to {short(moved.digest)}")
        if release_answers(store, child):
            known = world() if world else _world(hands, deployment, environ)
            _evaluate(hands, deployment, child, live, known, report)
        check_intact(store, child)
    if store.resolve(ref) != present:  # a person moved it while the questions were asked: the next look begins from there
        return None
    why = f"follows {moved.kind}/{moved.name}"
    try:
        done = move_ref(store, hands.keys, hands.actor, ref=ref, target=target, why=why, signer=hands.signer)
    except MoveRefused as refused:
        return Followed(ref, live, child, refused.judged.judgement, moved=False)
    return Followed(ref, live, child, done.judged.judgement, moved=done.changed)


def _wanted(
    hands: Hands, ref: str, present: Digest, deployment: JsonObject, live: Digest
) -> Iterator[tuple[Digest, Component, Digest]]:
    """Child releases, the one component that each takes anew, and the deployment with it; what was refused is passed over.

    Prompts and indexes only: a model comes with its code, data and profile, which `shipway release` puts together.
    """
    store = hands.store
    held = {(part.kind, part.name): part.digest for part in load_components(store, live)}
    for followed in cast("list[str]", deployment["follow"]):
        kind, _, name = followed.partition("@")[0].partition("/")
        named = store.ref(followed) or store.ref(f"{kind}/{name}")
        if kind not in FOLLOWED or named is None or held.get((kind, name), named.digest) == named.digest:
            continue
        component = Component(kind, name, named.digest)
        if component in _were_live(store, ref) and not _moved_since(store, named.name, ref):
            continue
        child = child_release(store, live, kind, name, named.digest)
        target = store.put(with_release(store, present, child))
        if not _refused_already(hands, ref, target):
            yield child, component, target


def _were_live(store: Store, ref: str) -> set[Component]:
    """Every component that was live at a ref."""
    found: set[Component] = set()
    for release in dict.fromkeys(record.release for record in store.lives(ref) if record.release):
        with suppress(ObjectMissing, ObjectDamaged):
            found.update(load_components(store, release))
    return found


def _moved_since(store: Store, followed: str, ref: str) -> bool:
    """Whether a followed ref moved after the deployment last did."""
    last = []
    for name in (followed, ref):
        moves = store.lives(name, limit=1)
        last.append(moves[0].id if moves else 0)
    return last[0] > last[1]


def _refused_already(hands: Hands, ref: str, target: Digest) -> bool:
    """Whether the newest word on this very move is a refusal by the policy that is in force; one for its time alone lasts as
    long as the gate says so.
    """
    store = hands.store
    newest = next((record for record in store.history(ref, limit=1000) if record.target == target), None)
    if newest is None or newest.outcome != "refused" or newest.verdict is None:
        return False
    verdict = store.get(newest.verdict, "verdict")
    if verdict["policy"] != policy_in_force(store).digest:
        return False
    failed = {check["name"] for check in cast("list[JsonObject]", verdict["checks"]) if check["verdict"] != "pass"}
    if not failed <= TIMING:
        return True
    return not judge_move(store, hands.keys, hands.actor, ref=ref, target=target).judgement.allowed


def _name_candidate(hands: Hands, ref: str, deployment: JsonObject, child: Digest, moved: Component) -> None:
    """The child is the newest release of its application, unless a person has made one that differs in more than what is
    followed: that one waits for its `apply`, and must not be exchanged behind that person's back.
    """
    name = f"release/{deployment['application']}"
    waiting = hands.store.ref(name)
    if waiting and _rest(hands.store, deployment, waiting.digest) != _rest(hands.store, deployment, child):
        return
    why = f"{ref} follows {moved.kind}/{moved.name}"
    move_ref(hands.store, hands.keys, hands.actor, ref=name, target=child, why=why)


def _rest(store: Store, deployment: JsonObject, release: Digest) -> set[Component]:
    """The components of a release that its deployment does not follow."""
    followed = {followed.partition("@")[0] for followed in cast("list[str]", deployment["follow"])}
    return {part for part in load_components(store, release) if f"{part.kind}/{part.name}" not in followed}


def _evaluate(hands: Hands, deployment: JsonObject, child: Digest, live: Digest, world: World, report: Report) -> None:
    """The golden sets that the policy in force counts, at the level that it asks for."""
    policy, application = policy_in_force(hands.store), str(deployment["application"])
    rule = policy.rule(f"deploy/{application}@{deployment['environment']}", observed=True)
    level = max([LEVEL, *(asked.level for asked in rule.require if not isinstance(asked, Pass))])
    golden = dict(policy.golden)
    if golden:
        evaluate_release(Evaluating(hands, application, world, report, level, rule), child, golden, live=live)


def _embedders(store: Store, gateway: Mapping[str, JsonObject], keys: Mapping[str, str]) -> dict[str, Provider]:
    """The providers that embed for the deployment's indexes, by the names that the spec had for them, as keys are."""
    found = {}
    for index, source in cast("Mapping[str, Mapping[str, str | None]]", gateway.get("sources") or {}).items():
        name, ref = source.get("embedder"), store.ref(f"index/{index}")
        record = cast("JsonObject", store.get(ref.digest, "index")["embedder"]) if ref else {}
        provider = cast("JsonObject | None", record.get("provider"))
        if name and provider:
            found[name] = Provider.from_object(name, provider, key=keys.get(name))
    return found


def _world(hands: Hands, deployment: JsonObject, environ: Mapping[str, str]) -> World:
    """What is known without the spec: the deployment's keys and prices; no judge but the providers of the release."""
    store, gateway = hands.store, cast("Mapping[str, JsonObject]", deployment.get("gateway") or {})
    keys = provider_keys(deployment)
    prices = gateway.get("prices")
    release = release_descriptor(deployment).digest
    providers = {
        part.name: Provider.from_object(part.name, store.get(part.digest, "provider"), key=keys.get(part.name))
        for part in load_components(store, release)
        if part.kind == "provider"
    }
    providers |= _embedders(store, gateway, keys)
    table = store.get(Digest(str(prices)), "prices") if prices else {"rates": {}, "limits": {}}
    sources = cast("Mapping[str, Mapping[str, str | None]]", gateway.get("sources") or {})
    places = {name: Place(source.get("store") or "local", source.get("url")) for name, source in sources.items()}
    return World(environ=environ, keys=keys, prices=table, cache=hands.cache, providers=providers, places=places)

"""What the tests of this room share: a store with releases of small objects, a clock that ticks, and evidence by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from shipway.access import Actor, Signer, TrustedKey, open_keys
from shipway.gate import (
    POLICY_REF,
    Facts,
    Moved,
    Policy,
    Statement,
    Subject,
    attest,
    load_evidence,
    move_ref,
    policy_object,
    subjects_of,
)
from shipway.kernel import media
from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.check import Check, Verdict
from shipway.kernel.digest import Digest, digest_bytes
from shipway.release import Component, deployment_object, put_release
from shipway.spec import ContractSpec, DeploySpec, PolicyRule, parse_requirement, parse_spec
from shipway.store import Store, open_store

REF = "deploy/delay@prod"
CONTRACT = ContractSpec()
START = datetime(2013, 2, 1, tzinfo=UTC)
NOW = START + timedelta(hours=12)  # a Friday noon


class Ticking:
    """A second later each time that it is asked."""

    def __init__(self) -> None:
        self.at = START

    def now(self) -> datetime:
        self.at += timedelta(seconds=1)
        return self.at


def rule(*lines: str, ref: str = REF, approvals: int = 0, inconclusive: str = "hold") -> PolicyRule:
    """A rule of lines such as `auc: at least 0.6 at 95%`."""
    pairs = [line.split(": ", 1) for line in lines]
    require = tuple(parse_requirement(name, text) for name, text in pairs)
    return PolicyRule(ref=ref, require=require, approvals=approvals, inconclusive=inconclusive)


def written(text: str, *, ref: str = REF) -> PolicyRule:
    """A rule as a person writes it."""
    application, environment = ref.removeprefix("deploy/").replace("*", "x").split("@") if "@" in ref else ("delay", "prod")
    spec = f"""project: p
deploy: {{{application}@before: {{}}, {application}@{environment}: {{after: before}}}}
policy: {{"{ref}": {{{text}}}}}"""
    return parse_spec(spec, path="shipway.yaml").policy[ref]


class Bench:
    """A project in a folder and ann, who works there."""

    def __init__(self, folder: Path) -> None:
        self.store: Store = open_store(folder, "flights", create=True, clock=Ticking())
        self.signer, self.keys = open_keys(folder / "keys")

    def put(self, kind: str, text: str) -> Digest:
        return self.store.put({"kind": kind, "version": 1, "text": text})

    def release(self, model: str, *, data: str = "january") -> Digest:
        """A release of a model and its data."""
        parts = {("model", "delay"): model, ("data", "flights"): data, ("code", ""): "code"}
        kinds = {"data": "snapshot"}
        return put_release(self.store, [Component(k, n, self.put(kinds.get(k, k), text)) for (k, n), text in parts.items()])

    def deployment(self, release: Digest, *, workers: int = 1, environment: str = "prod", after: str | None = None) -> Digest:
        name = f"delay@{environment}"
        deploy = DeploySpec(name=name, application="delay", environment=environment, workers=workers, after=after)
        return self.store.put(deployment_object(self.store, release, deploy, {}))

    def part(self, target: Digest, kind: str) -> Digest:
        """The component of a kind in a release or deployment."""
        return next(subject.digest for subject in subjects_of(self.store, target) if subject.kind == kind)

    def attest_check(self, subject: Digest, check: Check, signer: Signer | None = None, **more: Json) -> Digest:
        predicate: JsonObject = {"check": check.to_json(), **more}
        return self.attest(subject, predicate, signer=signer, label=check.name)

    def attest(
        self,
        subject: Digest,
        predicate: JsonObject,
        *,
        signer: Signer | None = None,
        label: str = "",
        kind: str = media.CHECK_PREDICATE,
    ) -> Digest:
        chosen = signer or self.signer
        return attest(self.store, chosen, subject=subject, name="it", predicate_type=kind, predicate=predicate, label=label)

    def approve(self, subject: Digest, who: Json = "ann") -> Digest:
        return self.attest(subject, {"approver": who}, kind=media.APPROVAL_PREDICATE, label="approval")

    def evidence(self, subject: Digest) -> list[Statement]:
        return load_evidence(self.store, self.keys, subject)

    def publish(
        self,
        *rules: PolicyRule,
        contracts: Mapping[str, ContractSpec] | None = None,
        order: Mapping[str, str] | None = None,
        who: str = "ann",
    ) -> Moved:
        target = self.store.put(policy_object(self.store, {r.ref: r for r in rules}, contracts or {}, order=order))
        return self.move(POLICY_REF, target, who=who)

    def move(
        self,
        ref: str,
        target: Digest,
        *,
        who: str = "ann",
        roles: tuple[str, ...] = ("admin",),
        why: str = "",
        force: bool = False,
    ) -> Moved:
        return move_ref(self.store, self.keys, Actor(who, frozenset(roles)), ref=ref, target=target, why=why, force=force)


def auc(value: float | None = 0.7, low: float | None = 0.65, high: float | None = 0.75, *, name: str = "auc") -> Check:
    """A measured check, whose own verdict says nothing."""
    return Check(name, Verdict.PASS, value, low, high, n=1000)


# a candidate without any store, for judging alone

MODEL, DATA, RELEASE, TARGET, LIVE = (digest_bytes(text) for text in (b"model", b"data", b"release", b"target", b"live"))
SUBJECTS = (
    Subject("deployment", "delay", TARGET),
    Subject("release", "", RELEASE),
    Subject("model", "delay", MODEL),
    Subject("data", "flights", DATA),
)
DEFINITION = digest_bytes(b"contract")


def policy_of(*rules: PolicyRule, contract: bool = False) -> Policy:
    return Policy(digest_bytes(b"policy"), {r.ref: r for r in rules}, {"flights": DEFINITION} if contract else {})


def key_of(name: str, *roles: str) -> TrustedKey:
    """A trusted key whose id is its name."""
    return TrustedKey(name, name, frozenset(roles or ("admin",)), "ed25519")


def said(
    predicate: JsonObject, *, about: Digest = MODEL, kind: str = media.CHECK_PREDICATE, second: int = 0, number: int = 0
) -> Statement:
    """A statement as the store would give it."""
    envelope = digest_bytes(repr((sorted(predicate.items(), key=str), about, second, number)).encode())
    return Statement(envelope, about, kind, predicate, "key", START + timedelta(seconds=second), key_of("key"))


def measured(check: Check, *, about: Digest = MODEL, second: int = 0, level: Json = 0.95, **more: Json) -> Statement:
    return said({"check": check.to_json(), "level": level, **more}, about=about, second=second)


def approval(
    who: Json, *roles: str, about: Digest = RELEASE, number: int = 0, key: str | None = None, second: int = 0
) -> Statement:
    """An approval, under the approver's own key unless another one is named; roles: what the key is trusted for."""
    made = said({"approver": who}, about=about, kind=media.APPROVAL_PREDICATE, number=number, second=second)
    return replace(made, signer=key or f"key of {who}", key=key_of(key or f"key of {who}", *roles))


def facts(
    *statements: Statement, live: tuple[Subject, ...] = (), actor: str = "ann", ref: str = REF, at: datetime = NOW
) -> Facts:
    found: dict[Digest, list[Statement]] = {}
    for statement in statements:
        found.setdefault(statement.subject, []).append(statement)
    return Facts(ref, SUBJECTS, live, found, actor, at)

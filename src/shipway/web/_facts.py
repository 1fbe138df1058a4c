"""What a page or a document is made of: plain facts, read at one moment, with nothing about how they are shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from shipway.gate import FORCED
from shipway.kernel.canonical import JsonObject
from shipway.kernel.check import Check
from shipway.kernel.clock import instant
from shipway.kernel.digest import Digest
from shipway.monitor import Alert, DayVerdict, ServingCost
from shipway.release import Arm, Component
from shipway.web._gateway_facts import GatewayFacts


@dataclass(frozen=True, slots=True)
class VerdictFacts:
    """What a gate said of one move; observed: checks of rules that only observe."""

    digest: Digest
    verdict: str
    returning: bool
    self_approved: bool
    policy: str
    checks: tuple[Check, ...]
    missing: tuple[str, ...]
    evidence: tuple[str, ...]
    observed: tuple[Check, ...] = ()

    def to_json(self) -> JsonObject:
        return {
            "digest": self.digest,
            "verdict": self.verdict,
            "returning": self.returning,
            "self_approved": self.self_approved,
            "policy": self.policy,
            "checks": [check.to_json() for check in self.checks],
            "missing": list(self.missing),
            "evidence": list(self.evidence),
            "observed": [check.to_json() for check in self.observed],
        }


@dataclass(frozen=True, slots=True)
class Move:
    """One record of a ref's history; source and target are releases where the ref is a deployment's.

    changed: kinds of the components that differ between the two releases.
    """

    ref: str
    source: Digest | None
    target: Digest | None
    who: str
    when: datetime
    why: str
    outcome: str
    action: str
    verdict: VerdictFacts | None
    changed: tuple[str, ...] = ()

    @property
    def moved(self) -> bool:
        return self.outcome == "moved"

    @property
    def forced(self) -> bool:
        """Whether the ref moved against its gate."""
        return self.moved and self.action == FORCED

    def to_json(self) -> JsonObject:
        """The fields of a record of `shipway log REF --json`."""
        return {
            "ref": self.ref,
            "from": self.source,
            "to": self.target,
            "who": self.who,
            "when": instant(self.when),
            "why": self.why,
            "outcome": self.outcome,
            "action": self.action,
            "forced": self.forced,
            "verdict": self.verdict.digest if self.verdict else None,
            "evidence": list(self.verdict.evidence) if self.verdict else [],
            "missing": list(self.verdict.missing) if self.verdict else [],
        }


@dataclass(frozen=True, slots=True)
class Signed:
    """A person, a moment and their words: of an approval, or of the making of a release."""

    who: str
    when: datetime
    why: str

    def to_json(self) -> JsonObject:
        return {"who": self.who, "when": instant(self.when), "why": self.why}


@dataclass(frozen=True, slots=True)
class ReleaseFacts:
    """A release, what is in it, who made it and who approved it."""

    digest: Digest
    components: tuple[Component, ...]
    made: Signed | None
    approvals: tuple[Signed, ...]

    def to_json(self) -> dict[str, object]:
        return {
            "release": self.digest,
            "components": [{"kind": c.kind, "name": c.name, "digest": c.digest} for c in self.components],
            "made": self.made.to_json() if self.made else None,
            "approvals": [approval.to_json() for approval in self.approvals],
        }


@dataclass(frozen=True, slots=True)
class LiveFacts:
    """What a deployment's ref points at, the move that put it there, and what answers beside it.

    costs: what predictions of the live release and of its arms have taken, by release, where something is recorded; problems:
    why an arm does not answer here, business: what was said last of it against live, both by its name.
    """

    deployment: Digest
    release: ReleaseFacts
    move: Move
    arms: tuple[Arm, ...] = ()
    costs: Mapping[str, ServingCost] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)
    business: Mapping[str, Check] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        return {
            **self.release.to_json(),
            "deployment": self.deployment,
            "arms": [self._arm(arm) for arm in self.arms],
            "serving": [{"release": release, **cost.to_json()} for release, cost in self.costs.items()],
            "since": instant(self.move.when),
            "who": self.move.who,
            "why": self.move.why,
            "action": self.move.action,
            "verdict": self.move.verdict.to_json() if self.move.verdict else None,
        }

    def _arm(self, arm: Arm) -> dict[str, object]:
        said = self.business.get(arm.name)
        return {**arm.to_json(), "problem": self.problems.get(arm.name), "business": said.to_json() if said else None}


@dataclass(frozen=True, slots=True)
class DeploymentFacts:
    """One deployment: live or never yet, its candidate, its history (newest first), its judged days and its alerts.

    judged: when the newest of the days was judged; endpoint: where its predictor or gateway answers, None when none runs;
    gateway: what a deployment of target `gateway` has instead of judged days.
    """

    ref: str
    live: LiveFacts | None
    candidate: ReleaseFacts | None
    history: tuple[Move, ...]
    days: tuple[DayVerdict, ...]
    alerts: tuple[Alert, ...]
    judged: datetime | None
    endpoint: str | None
    gateway: GatewayFacts | None = None

    @property
    def name(self) -> str:
        """What a person types: `delay@prod`."""
        return self.ref.removeprefix("deploy/")


@dataclass(frozen=True, slots=True)
class ProjectFacts:
    """All of one project at one moment. refs: name to digest; gaps: rows of state; problems: what could not be read."""

    project: str
    at: datetime
    deployments: tuple[DeploymentFacts, ...]
    refs: Mapping[str, Digest]
    gaps: tuple[JsonObject, ...]
    problems: tuple[str, ...]

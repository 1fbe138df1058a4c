"""The page as a value: everything that the template says, already in words. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from shipway.kernel.digest import Digest
from shipway.kernel.split import LIVE, SHADOW
from shipway.web._facts import DeploymentFacts, LiveFacts, ProjectFacts, Signed, VerdictFacts
from shipway.web._gateway_status import gateway_status
from shipway.web._gateway_view import GatewayView, make_gateway
from shipway.web._rows import (
    AlertRow,
    CheckRow,
    Drifted,
    GapRow,
    MoveRow,
    alert_rows,
    check_row,
    drifted,
    evidence_count,
    gap_row,
    move_row,
)
from shipway.web._status import Level, Status, Step, status_of
from shipway.web._timeline import Timeline, make_timeline
from shipway.web._words import ReleaseName, Stamp, count, release_name, stamp, usd

_ALERTS, _MOVES, _GAPS, _DRIFTED = 10, 12, 8, 12  # rows of each that a page shows; the rest is in the JSON


@dataclass(frozen=True, slots=True)
class Link:
    """A text that leads somewhere, or only a text when its address is no web address."""

    text: str
    address: str
    safe: bool


@dataclass(frozen=True, slots=True)
class SignedView:
    """Who, when and their words."""

    who: str
    when: Stamp
    why: str


@dataclass(frozen=True, slots=True)
class ComponentView:
    """One thing that is locked into the release; note: what it is made of, where that is worth a word."""

    kind: str
    name: str
    digest: ReleaseName
    note: str


@dataclass(frozen=True, slots=True)
class ArmView:
    """One of the releases that answer, its share, what a thousand of its predictions took, why it does not answer, and how it
    stands against live by business metrics."""

    name: str
    release: ReleaseName
    share: str
    cost: CostView | None
    problem: str = ""
    verdict: str = ""
    business: str = ""


@dataclass(frozen=True, slots=True)
class CostView:
    """What a thousand predictions took; usd: empty where no price is known; of: how many were counted."""

    cpu: str
    usd: str
    of: str


@dataclass(frozen=True, slots=True)
class LiveView:
    """What is live, since when, by whom, why, on which evidence."""

    release: ReleaseName
    deployment: ReleaseName
    since: Stamp
    who: str
    why: str
    returned: bool
    verdict: str
    self_approved: bool
    evidence: str
    checks: tuple[CheckRow, ...]
    made: SignedView | None
    approvals: tuple[SignedView, ...]
    components: tuple[ComponentView, ...]
    arms: tuple[ArmView, ...] = ()
    cost: CostView | None = None


@dataclass(frozen=True, slots=True)
class DeploymentView:
    """One deployment on the page; more_*: how many rows are not shown."""

    ref: str
    name: str
    status: Status
    live: LiveView | None
    endpoint: Link | None
    judged: Stamp | None
    timeline: Timeline | None
    alerts: tuple[AlertRow, ...]
    more_alerts: int
    drifted: tuple[Drifted, ...]
    more_drifted: int
    history: tuple[MoveRow, ...]
    more_history: bool
    gateway: GatewayView | None


@dataclass(frozen=True, slots=True)
class PageView:
    """The page at `/`. level: the worst of its deployments; start: what to type when there is no deployment."""

    project: str
    level: Level
    at: Stamp
    refresh: int
    deployments: tuple[DeploymentView, ...]
    start: Step | None
    gaps: tuple[GapRow, ...]
    more_gaps: int
    refs: tuple[tuple[str, ReleaseName], ...]
    links: tuple[Link, ...]
    problems: tuple[str, ...]


def make_page(facts: ProjectFacts, *, links: Mapping[str, str], refresh: int) -> PageView:
    """The page of a project; refresh: seconds until a browser asks again, 0 for never."""
    deployments = tuple(_deployment(deployment, facts.at) for deployment in facts.deployments)
    gaps = sorted(facts.gaps, key=lambda gap: str(gap.get("recorded")), reverse=True)
    return PageView(
        project=facts.project,
        level=_worst([deployment.status.level for deployment in deployments]),
        at=stamp(facts.at, facts.at),
        refresh=refresh,
        deployments=deployments,
        start=None if deployments else _start(facts),
        gaps=tuple(gap_row(gap, facts.at) for gap in gaps[:_GAPS]),
        more_gaps=max(0, len(gaps) - _GAPS),
        refs=tuple((name, release_name(digest)) for name, digest in facts.refs.items() if not name.startswith("deploy/")),
        links=tuple(_link(text, address) for text, address in links.items()),
        problems=facts.problems,
    )


def _start(facts: ProjectFacts) -> Step:
    """The next command of a project where nothing is live yet: the step after the furthest that was made."""
    kinds = {name.partition("/")[0] for name in facts.refs}
    if "release" in kinds:
        return Step("shipway plan", "shows what would go live and what its gate asks")
    if "model" in kinds:
        return Step("shipway release", "locks all that determines an answer into one release")
    return Step("shipway run", "takes a snapshot of the data, runs the pipeline, makes the models")


def _deployment(facts: DeploymentFacts, now: datetime) -> DeploymentView:
    alerts = alert_rows(facts.alerts)
    shown = max(_ALERTS, sum(alert.open for alert in alerts))
    far = drifted(facts.days[-1]) if facts.days else ()
    live = facts.live.release.digest if facts.live else None
    return DeploymentView(
        ref=facts.ref,
        name=facts.name,
        status=_status(facts),
        live=_live(facts, facts.live, now) if facts.live else None,
        endpoint=_link(facts.endpoint, facts.endpoint) if facts.endpoint else None,
        judged=stamp(facts.judged, now) if facts.judged else None,
        timeline=make_timeline(facts),
        alerts=alerts[:shown],
        more_alerts=len(alerts) - len(alerts[:shown]),
        drifted=far[:_DRIFTED],
        more_drifted=max(0, len(far) - _DRIFTED),
        history=tuple(move_row(move, now) for move in facts.history[:_MOVES]),
        more_history=len(facts.history) > _MOVES,
        gateway=make_gateway(facts.gateway, live, now) if facts.gateway else None,
    )


def _status(facts: DeploymentFacts) -> Status:
    return gateway_status(facts, facts.gateway) if facts.gateway else status_of(facts)


def _judged(facts: DeploymentFacts, live: LiveFacts) -> VerdictFacts | None:
    """The verdict on which the release went live: a return asks for no evidence, so its first way here counts."""
    ways = (move for move in facts.history if move.moved and move.target == live.release.digest and move.verdict)
    return next((move.verdict for move in ways if move.verdict and not move.verdict.returning), live.move.verdict)


def _live(facts: DeploymentFacts, live: LiveFacts, now: datetime) -> LiveView:
    verdict = _judged(facts, live)
    notes = facts.gateway.notes if facts.gateway else {}
    return LiveView(
        release=release_name(live.release.digest),
        deployment=release_name(live.deployment),
        since=stamp(live.move.when, now),
        who=live.move.who,
        why=live.move.why,
        returned=live.move.action == "return",
        verdict=verdict.verdict if verdict else "",
        self_approved=verdict is not None and verdict.self_approved,
        evidence=evidence_count(verdict.evidence) if verdict else "",
        checks=tuple(check_row(check) for check in verdict.checks) if verdict else (),
        made=_signed(live.release.made, now) if live.release.made else None,
        approvals=tuple(_signed(approval, now) for approval in live.release.approvals),
        components=tuple(
            ComponentView(c.kind, c.name, release_name(c.digest), notes.get(c.digest, "")) for c in live.release.components
        ),
        arms=_arms(live),
        cost=_cost(live, live.release.digest),
    )


def _arms(live: LiveFacts) -> tuple[ArmView, ...]:
    """All that answer, the live release first; none where it answers alone."""
    if not live.arms:
        return ()
    rest = 1 - sum(arm.share for arm in live.arms if arm.name != SHADOW)
    ours = ArmView(LIVE, release_name(live.release.digest), _share(rest), _cost(live, live.release.digest))
    return ours, *(
        ArmView(
            arm.name,
            release_name(arm.release),
            _share(arm.share),
            _cost(live, arm.release),
            live.problems.get(arm.name, ""),
            *((said.verdict.value, said.text) if (said := live.business.get(arm.name)) else ()),
        )
        for arm in live.arms
    )


def _share(share: float) -> str:
    return f"{round(100 * share, 2):g} %"


def _cost(live: LiveFacts, release: Digest) -> CostView | None:
    cost = live.costs.get(release)
    if cost is None:
        return None
    money = usd(1000 * cost.usd / cost.rows) if cost.usd is not None else ""
    return CostView(f"{1000 * cost.cpu_seconds / cost.rows:,.3g} CPU s", money, count(cost.rows, "prediction"))


def _signed(signed: Signed, now: datetime) -> SignedView:
    return SignedView(signed.who, stamp(signed.when, now), signed.why)


def _link(text: str, address: str) -> Link:
    return Link(text, address, address.startswith(("http://", "https://")))


def _worst(levels: list[Level]) -> Level:
    order = (Level.BAD, Level.WARN, Level.QUIET, Level.GOOD)
    return next((level for level in order if level in levels), Level.QUIET)

"""Several releases at one address: how a predictor process opens them, and what it says of them in answers and metrics."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from shipway.kernel.errors import ShipwayError
from shipway.kernel.split import LIVE, SHADOW
from shipway.models import Signature
from shipway.protocols._hop import Hop
from shipway.protocols._http import Reply
from shipway.protocols._metrics import Samples
from shipway.serve import (
    ARM_HEADER,
    Batcher,
    Identity,
    Response,
    ServingConfig,
    Shadow,
    Split,
    SplitArm,
    SplitConfig,
    load_config,
    open_log,
    open_model,
    open_predictor,
)

RELEASE_HEADER = b"x-shipway-release"
_INSTEAD_HEADER = b"x-shipway-arm-failed"
_logger = logging.getLogger(__name__)


class OpenedSplit(NamedTuple):
    """What stands before the live release; problems: by arm, why it could not be loaded; opened: what has to be closed."""

    split: Split
    problems: dict[str, str]
    opened: ExitStack


def open_split(config: SplitConfig, live: Batcher) -> OpenedSplit:
    """The arms of a deployment beside its live release. One that cannot be loaded costs itself: live answers for it."""
    opened, problems = ExitStack(), {}
    arms, shadow = [], None
    for arm in config.arms:
        own = load_config(Path(arm.config))
        found = SplitArm(arm.name, arm.release, tuple(arm.buckets), None, _takes(own))
        arms.append(found)
        if arm.url:
            hop = Hop(arm.url, _identity(own), live.predictor.signature.outputs)
            found.answers, shadow = (None, Shadow(hop)) if arm.name == SHADOW else (hop, shadow)
            continue
        try:
            found.answers = _load(own, opened)
        except Exception as problem:
            problems[arm.name] = problem.what if isinstance(problem, ShipwayError) else f"{type(problem).__name__}: {problem}"
            _logger.exception("arm %s is not loaded, and live answers for it", arm.name)
    return OpenedSplit(Split(live, arms, salt=config.salt, unit=config.unit, shadow=shadow), problems, opened)


def _load(config: ServingConfig, opened: ExitStack) -> Batcher:
    ready, log = open_model(config), open_log(config)
    if log is not None:
        opened.callback(log.close)
    return Batcher(open_predictor(config, ready.model, log), ready.cost)


def _identity(config: ServingConfig) -> Identity:
    where = (config.application, config.environment, config.release, config.deployment)
    return Identity(*where, config.arm, config.model_name)


def _takes(config: ServingConfig) -> frozenset[str]:
    inputs = Signature.from_json(config.model["signature"]).inputs
    return frozenset((*(column.name for column in inputs), *config.key, *([config.time] if config.time else [])))


def answering_releases(split: Split | None) -> Iterator[str]:
    """The releases beside the live one that a client can ask by version: a shadow's answers are nobody's."""
    return (arm.release for arm in (split.arms if split else ()) if arm.name != SHADOW)


def arm_headers(response: Response) -> list[tuple[bytes, bytes]]:
    """Which arm and release an answer is of, and which arm it stands in for."""
    headers = [(ARM_HEADER, response.arm.encode()), (RELEASE_HEADER, response.release.encode())]
    if response.instead:
        headers.append((_INSTEAD_HEADER, response.instead.encode()))
    return headers


def with_arm(reply: Reply, response: Response) -> Reply:
    """An answer that says it."""
    return reply._replace(headers=(*reply.headers, *arm_headers(response)))


def own_headers(reply: Reply, every: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The headers of every reply without those that this one says itself."""
    said = {name for name, _ in reply.headers}
    return [header for header in every if header[0] not in said]


def split_samples(split: Split) -> dict[str, Samples]:
    """What `/metrics` says of arms."""
    who = split.predictor.identity
    beside = sum(arm.share for arm in split.arms if arm.name != SHADOW)
    shares: list[tuple[dict[str, str], float]] = [({"arm": LIVE, "release": who.release}, round(1 - beside, 6))]
    for arm in split.arms:
        there = arm.answers is not None or (arm.name == SHADOW and split.shadow is not None)
        shares.append(({"arm": arm.name, "release": arm.release}, arm.share if there else 0))
    counts = dict(split.counts)
    if split.shadow:
        for outcome in ("answered", "failed", "dropped"):
            counts[SHADOW, outcome] = getattr(split.shadow, outcome)
    requests = [({"arm": arm, "outcome": outcome}, number) for (arm, outcome), number in sorted(counts.items())]
    return {"shipway_predictor_arm_share": shares, "shipway_predictor_arm_requests_total": requests}

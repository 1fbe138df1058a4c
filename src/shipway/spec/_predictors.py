"""How predictors of a deployment are kept: the share of requests that is logged, limits, and what their processor costs."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from shipway.kernel.errors import ShipwayError
from shipway.kernel.units import Seconds, parse_bytes, parse_share
from shipway.spec._fields import duration, fields
from shipway.spec._node import Node

BATCH_SECONDS = Seconds(60.0)  # a balancer gives up on an answer after as long
_PRICE = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,9})?) usd/hour")


class PredictorSpec(msgspec.Struct, frozen=True, kw_only=True):
    """sample: share of the requests whose predictions are logged; batch: seconds that one call of the model may take;
    memory: bytes that a process may hold; cpu_price: US dollars for an hour of one processor. None: no limit, no price.
    """

    sample: float = 1.0
    batch: Seconds = BATCH_SECONDS
    memory: int | None = None
    cpu_price: float | None = None


def read_predictors(entries: Mapping[str, Node], target: str) -> PredictorSpec:
    """Of the entries of a deployment: `log`, `limits` and `cpu_price`."""
    for name in ("log", "limits", "cpu_price"):
        if name in entries and target == "gateway":
            raise entries[name].fail(f"a gateway has no `{name}`", mend="leave it out; predictors of a model have it")
    log = fields(entries["log"], ("sample",), "log") if "log" in entries else {}
    limits = fields(entries["limits"], ("batch", "memory"), "limits") if "limits" in entries else {}
    return PredictorSpec(
        sample=_sample(log["sample"]) if "sample" in log else 1.0,
        batch=_batch(limits["batch"]) if "batch" in limits else BATCH_SECONDS,
        memory=_memory(limits["memory"]) if "memory" in limits else None,
        cpu_price=_price(entries["cpu_price"]) if "cpu_price" in entries else None,
    )


def _sample(node: Node) -> float:
    try:
        share = parse_share(node.raw if isinstance(node.value, str) else "")
    except ShipwayError as problem:
        raise node.fail(f"sample is a share, not {node.shown()}", mend="as in 10%") from problem
    if not share:
        raise node.fail("sample is 0%, and nothing could be judged", mend="a share above 0, as in 1%")
    return share


def _batch(node: Node) -> Seconds:
    seconds = duration(node, "batch")
    if seconds < 1:
        raise node.fail(f"batch is {node.shown()}", mend="from 1s on, as in 30s")
    return seconds


def _memory(node: Node) -> int:
    try:
        return parse_bytes(node.raw if isinstance(node.value, str) else "")
    except ShipwayError as problem:
        raise node.fail(f"memory is a number of bytes, not {node.shown()}", mend=problem.mend) from problem


def _price(node: Node) -> float:
    match = _PRICE.fullmatch(node.raw.strip()) if isinstance(node.value, str) else None
    if not match:
        raise node.fail(f"cpu_price is a price, not {node.shown()}", mend="for an hour of one processor, as in 0.04 usd/hour")
    return float(match[1])

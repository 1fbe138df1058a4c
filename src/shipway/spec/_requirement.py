"""Requirement: one line of a policy, `not worse by 0.02 at 95%`, as a value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

import msgspec

from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.errors import nearest
from shipway.kernel.units import parse_share
from shipway.spec._errors import SpecMalformed
from shipway.spec._node import shown

LOWER_IS_BETTER: frozenset[str] = frozenset({"brier", "log_loss", "calibration_error"})
"""The metrics whose smaller value is the better one; `not worse by` reads its direction here."""

COMPARED: frozenset[str] = frozenset({"auc", "brier", "log_loss"})
"""The metrics that `shipway check` measures against what is live."""

METRICS: frozenset[str] = LOWER_IS_BETTER | COMPARED
"""The metrics that `shipway check` measures; a threshold on any other name could never be met."""

DEFAULT_LEVEL = 0.95
FORMS = "pass, `at least 0.55 at 95%`, `at most 0.2 at 95%` or `not worse by 0.02 at 95%`"

_LINE = re.compile(r"(at least|at most|not worse by) (-?[0-9]+(?:\.[0-9]+)?)(?: at ([0-9]+(?:\.[0-9]+)?%))?")


class Pass(msgspec.Struct, frozen=True, tag="pass"):
    """The check of this name has the verdict pass."""

    name: str
    text: str


class AtLeast(msgspec.Struct, frozen=True, tag="at least"):
    """The metric is at least the threshold, at this level of confidence (0.95)."""

    name: str
    threshold: float
    level: float
    text: str


class AtMost(msgspec.Struct, frozen=True, tag="at most"):
    """The metric is at most the threshold, at this level of confidence (0.95)."""

    name: str
    threshold: float
    level: float
    text: str


class NotWorseBy(msgspec.Struct, frozen=True, tag="not worse by"):
    """The metric is not worse than what is live by the margin or more, at this level of confidence (0.95)."""

    name: str
    margin: float
    level: float
    text: str


Requirement = Pass | AtLeast | AtMost | NotWorseBy


def parse_requirement(name: str, text: str) -> Requirement:
    """What `name: text` asks for; the level is 95% when left out. Raises SpecMalformed.

    >>> parse_requirement("auc", "not worse by 0.02")
    NotWorseBy(name='auc', margin=0.02, level=0.95, text='not worse by 0.02')
    """
    text = " ".join(text.split())
    if text == "pass":
        return Pass(name, text)
    match = _LINE.fullmatch(text)
    if not match or len(text) > 100:
        raise SpecMalformed(f"{shown(text)} is nothing that a policy can ask of {shown(name)}", mend=FORMS)
    words, value, level = match[1], float(match[2]), _level(match[3])
    _known(name, words)
    if words == "at least":
        return AtLeast(name, value, level, text)
    if words == "at most":
        return AtMost(name, value, level, text)
    if value < 0:
        raise SpecMalformed(f"the margin of {shown(name)} is {match[2]}", mend="a margin is 0 or more")
    return NotWorseBy(name, value, level, text)


def requirement_to_json(requirement: Requirement) -> JsonObject:
    """The stored form: numbers, so that `0.5` and `0.50` are one policy, and the level spelled out.

    >>> requirement_to_json(parse_requirement("auc", "at least 0.50"))
    {'name': 'auc', 'form': 'at least', 'value': 0.5, 'level': 0.95}
    """
    if isinstance(requirement, Pass):
        return {"name": requirement.name, "form": "pass"}
    form = {AtLeast: "at least", AtMost: "at most", NotWorseBy: "not worse by"}[type(requirement)]
    value = requirement.margin if isinstance(requirement, NotWorseBy) else requirement.threshold
    return {"name": requirement.name, "form": form, "value": value, "level": requirement.level}


def requirement_text(record: Mapping[str, Json]) -> str:
    """A stored requirement as a person writes it.

    >>> requirement_text({"name": "auc", "form": "at least", "value": 0.5, "level": 0.95})
    'at least 0.5 at 95%'
    """
    if record["form"] == "pass":
        return "pass"
    value, level = Decimal(str(record["value"])), Decimal(str(record["level"]))
    return f"{record['form']} {value:f} at {(level * 100).normalize():f}%"


def _known(name: str, words: str) -> None:
    known = COMPARED if words == "not worse by" else METRICS
    if name not in known:
        near = nearest(name[:80], sorted(known))
        measured = "compared with live" if words == "not worse by" else "measured"
        mend = f"did you mean `{near}`?" if near else f"one of: {', '.join(sorted(known))}"
        raise SpecMalformed(f"no metric {shown(name)} is {measured}", mend=mend)


def _level(text: str | None) -> float:
    if text is None:
        return DEFAULT_LEVEL
    level = round(parse_share(text), 10) if len(text) < 20 else 1.0
    if not 0.5 <= level < 1:
        raise SpecMalformed(f"{text} is no level of confidence", mend="50% or more and below 100%, as in 95%")
    return level

"""Requirement: one line of a policy, `not worse by 0.02 at 95%`, as a value."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal

import msgspec

from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.errors import nearest
from shipway.kernel.units import parse_share
from shipway.spec._errors import SpecMalformed
from shipway.spec._node import shown

LOWER_IS_BETTER: frozenset[str] = frozenset({"brier", "log_loss", "calibration_error", "mae", "rmse", "relative_mae"})
"""The metrics of models whose smaller value is the better one; `lower_is_better` knows those of evaluations too."""

COMPARED: frozenset[str] = frozenset({"auc", "brier", "log_loss", "mae", "rmse", "relative_mae", "accuracy"})
"""The metrics that `shipway check` measures against what is live; `relative_mae` is `mae` as a share of live's."""

METRICS: frozenset[str] = (LOWER_IS_BETTER | COMPARED) - {"relative_mae"}
"""The metrics that `shipway check` measures; a threshold on any other name could never be met, but for those of evaluations."""

DEFAULT_LEVEL = 0.95
FOREIGN = "import."
"""What the names of other tools' metrics begin with: any name may follow, for `check import` says which there are."""

FORMS = "pass, `at least 0.55 at 95%`, `at most 0.2 at 95%` or `not worse by 0.02 at 95%`"

_EVAL_METRIC = re.compile(
    r"([a-z][a-z0-9_-]*)\.(?:(?:recall|ndcg)_at_[1-9][0-9]{0,3}|mrr|exact|contains|judge|cost_usd|seconds)"
)
_EVAL_LOWER = ("cost_usd", "seconds")
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


def evaluation_of(name: str) -> str | None:
    """The evaluation that measures a metric of the form `EVAL.METRIC`; None for any other name.

    >>> evaluation_of("golden.recall_at_5"), evaluation_of("auc"), evaluation_of("import.seconds")
    ('golden', None, None)
    """
    match = None if is_foreign(name) else _EVAL_METRIC.fullmatch(name)
    return match[1] if match else None


def is_foreign(name: str) -> bool:
    """Whether the metric is another tool's, of the form `import.NAME`."""
    return name.startswith(FOREIGN)


def eval_metrics(at: Iterable[int], scorers: Iterable[str]) -> tuple[str, ...]:
    """The metrics of an evaluation, without its name.

    >>> eval_metrics([5], ["exact"])
    ('recall_at_5', 'ndcg_at_5', 'mrr', 'exact', 'cost_usd', 'seconds')
    """
    ranked = tuple(f"{metric}_at_{k}" for k in at for metric in ("recall", "ndcg"))
    return (*ranked, "mrr", *scorers, *_EVAL_LOWER)


def lower_is_better(name: str) -> bool:
    """Whether the smaller value of a metric is the better one; `not worse by` reads its direction here.

    >>> lower_is_better("brier"), lower_is_better("golden.cost_usd"), lower_is_better("golden.mrr")
    (True, True, False)
    """
    return name in LOWER_IS_BETTER or (evaluation_of(name) is not None and name.partition(".")[2] in _EVAL_LOWER)


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
    if is_foreign(name):
        if words == "not worse by":
            raise SpecMalformed(f"{shown(name)} is not compared with what is live", mend="at least X, or at most X")
        return
    if evaluation_of(name):
        return
    prefix, dot, metric = name.partition(".")
    if dot:
        known = eval_metrics([5], ["exact", "contains", "judge"])
        near = nearest(metric[:80], list(known))
        mend = f"did you mean `{prefix[:80]}.{near}`?" if near else f"EVAL.METRIC, with one of: {', '.join(known)}"
        raise SpecMalformed(f"no evaluation measures {shown(name)}", mend=mend)
    _known_of_models(name, words)


def _known_of_models(name: str, words: str) -> None:
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

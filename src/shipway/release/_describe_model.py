"""A change of a model: metrics with intervals, golden rows, signature, format."""

from __future__ import annotations

from shipway.gate import Statement, load_evidence
from shipway.kernel import media
from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.check import Check, CheckMalformed
from shipway.kernel.digest import Descriptor, Digest
from shipway.kernel.errors import ShipwayError
from shipway.release._described import Described, Look, changed_values, counted, cut, object_of
from shipway.store import Store

_PLAIN = ("format", "target", "key", "time", "step", "reference")


def describe_model(look: Look, source: Digest, target: Digest) -> Described:
    """What was measured of each on its own, what clients notice, and how alike they answer the golden rows."""
    before, after = (look.store.get(digest, "model") for digest in (source, target))
    measured = [metrics_of(look, digest) for digest in (source, target)]
    words, columns = metric_words(*measured), _signature(before, after)
    words += [f"signature: {', '.join(columns)}"] if columns else []
    words += changed_values(*({key: record.get(key) for key in _PLAIN} for record in (before, after)))
    agreement = _golden(look.store, before, after)
    words += [agreement] if agreement else []
    facts: JsonObject = {
        "metrics": {name: {"from": _number(measured[0].get(name)), "to": _number(measured[1].get(name))}
                    for name in sorted(measured[0].keys() | measured[1].keys())},
        "signature": list(columns),
    }  # fmt: skip
    return Described("; ".join(words[:2]) if words else "other bytes", cut(words[2:], look.lines), facts)


def metrics_of(look: Look, subject: Digest) -> dict[str, Check]:
    """The newest measurement of each metric of one thing by itself, not against another; by the name of the metric."""
    found: dict[str, Check] = {}
    checks = load_evidence(look.store, look.keys, subject, predicate=media.CHECK_PREDICATE) if look.keys else []
    for statement in checks:
        check = _measurement(statement)
        if check:
            found[check.name] = check
    return found


def _measurement(statement: Statement) -> Check | None:
    record = statement.predicate.get("check")
    if "against" in statement.predicate:
        return None
    try:
        check = Check.from_json(object_of(record))
    except (CheckMalformed, TypeError):
        return None
    return check if check.value is not None else None


def metric_words(before: dict[str, Check], after: dict[str, Check]) -> list[str]:
    """`auc 0.81 [0.80, 0.82] -> 0.83 [0.82, 0.84]`, those of both first."""
    both = sorted(before.keys() & after.keys())
    words = [f"{name} {interval_text(before[name])} -> {interval_text(after[name])}" for name in both]
    came, went = sorted(after.keys() - before.keys()), sorted(before.keys() - after.keys())
    words += [f"{name} {interval_text(after[name])}, not measured before" for name in came]
    return words + [f"{name} not measured yet, was {interval_text(before[name])}" for name in went]


def interval_text(check: Check) -> str:
    """
    >>> from shipway.kernel.check import Verdict
    >>> interval_text(Check("auc", Verdict.PASS, 0.81, 0.8, 0.8234567))
    '0.81 [0.8, 0.8235]'
    """
    if check.low is None or check.high is None:
        return f"{check.value:.4g}"
    return f"{check.value:.4g} [{check.low:.4g}, {check.high:.4g}]"


def _number(check: Check | None) -> Json:
    return {"value": check.value, "low": check.low, "high": check.high, "n": check.n} if check else None


def _signature(before: JsonObject, after: JsonObject) -> tuple[str, ...]:
    """What a client has to send or read otherwise."""
    words: list[str] = []
    for way in ("inputs", "outputs"):
        old, new = (_columns(object_of(record["signature"])[way]) for record in (before, after))
        if old != new:
            words += [f"{way[:-1]} {text}" for text in changed_values(old, new)]
        elif list(old) != list(new):
            words.append(f"{way} in another order")
    return tuple(words)


def _columns(value: Json) -> dict[str, Json]:
    if not isinstance(value, list):
        raise TypeError("the columns of a signature are a list")
    return {str(object_of(column)["name"]): object_of(column)["datatype"] for column in value}


def _golden(store: Store, before: JsonObject, after: JsonObject) -> str:
    """How many golden rows both answer alike; they recorded their answers, so no model is loaded."""

    leaves = [Descriptor.from_json(record["golden"]).digest for record in (before, after)]
    if leaves[0] == leaves[1]:
        return "golden rows answered alike to the bit"
    from shipway.models import ColumnsMalformed, compare_golden  # numpy: only when there is something to compare

    try:
        found = compare_golden(*(store.objects.get(leaf) for leaf in leaves))
    except (ColumnsMalformed, ShipwayError):
        return ""
    if found is None:
        return "other golden rows"
    alike, rows, largest = found
    far = f", largest difference {largest:.4g}" if largest is not None else ""
    return f"{alike} of {counted(rows, 'golden row')} answered alike to the bit{far}"

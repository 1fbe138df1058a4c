"""A change of a deployment's settings: what may be otherwise without another answer."""

from __future__ import annotations

from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.digest import Digest, short
from shipway.kernel.errors import ShipwayError
from shipway.release._arms import split_of
from shipway.release._describe_json import json_changes
from shipway.release._describe_llm import describe_prices
from shipway.release._described import (
    Described,
    Look,
    changed_values,
    cut,
    duration_text,
    listed,
    number_text,
    object_of,
    value_text,
)

_KNOWN = frozenset(
    {"kind", "version", "release", "monitors", "outcomes", "scale", "follow", "gateway", "split", "target", "after"}
)
_PARTS = frozenset({"keys", "sources", "provider_keys", "prices", "budget"})


def describe_settings(look: Look, source: Digest, target: Digest) -> Described:
    """All that two deployments do otherwise, but for their releases."""
    before, after = (look.store.get(digest, "deployment") for digest in (source, target))
    words = changed_values(*({key: record.get(key) for key in ("target", "after")} for record in (before, after)))
    words += [f"scale: {text}" for text in changed_values(*(object_of(record["scale"]) for record in (before, after)))]
    words += monitor_words(object_of(before["monitors"]), object_of(after["monitors"]))
    words += _outcome_words(object_of(before["outcomes"]), object_of(after["outcomes"]))
    words += _follow_words(before["follow"], after["follow"])
    words += _gateway_words(look, before.get("gateway"), after.get("gateway"))
    words += _split_words(before, after)
    rest = [{key: record[key] for key in record if key not in _KNOWN} for record in (before, after)]
    words += json_changes(rest[0], rest[1])
    words = words or list(json_changes({**before, "release": None}, {**after, "release": None}))  # the order of something
    return Described(listed(words, 4), cut(words[4:], look.lines, noun="setting"), {"settings": len(words)})


def monitor_words(before: JsonObject, after: JsonObject) -> list[str]:
    """`+monitor cost pages at 5 over 1d`, `-monitor drift`, `monitor calibration pages at 0.05 -> 0.1`."""
    words = [f"+monitor {name} {_monitor(after[name])}" for name in sorted(after.keys() - before.keys())]
    words += [f"-monitor {name}" for name in sorted(before.keys() - after.keys())]
    return words + [
        f"monitor {name} {_monitor(before[name])} -> {_monitor(after[name])}"
        for name in sorted(before.keys() & after.keys())
        if before[name] != after[name]
    ]


def _monitor(value: Json) -> str:
    record = object_of(value)
    said = (("pages", "page"), ("opens a ticket", "ticket"), ("informs", "inform"))
    limits = [f"{word} at {_number(record.get(key))}" for word, key in said if record.get(key) is not None]
    before = record.get("reference_seconds")
    against = f" against {_seconds(before)} before" if before is not None else ""
    return f"{' and '.join(limits) or 'is measured'} over {_seconds(record.get('window_seconds'))}{against}"


def _number(value: Json) -> str:
    return number_text(float(value)) if isinstance(value, int | float) else value_text(value)


def _seconds(value: Json) -> str:
    return duration_text(float(value)) if isinstance(value, int | float) else value_text(value)


def _outcome_words(before: JsonObject, after: JsonObject) -> list[str]:
    old, new = ({name: _matures(value) for name, value in record.items()} for record in (before, after))
    return [f"outcome {text}" for text in changed_values(old, new)]


def _matures(value: Json) -> Json:
    outcome = object_of(value)
    better, unit = outcome.get("better"), outcome.get("unit")
    watched = f", {better} is better{f' ({unit})' if unit else ''}" if better else ""
    return f"complete after {_seconds(outcome.get('matures_seconds'))}{watched}"


def _follow_words(before: Json, after: Json) -> list[str]:
    old, new = ({str(ref) for ref in value} if isinstance(value, list) else set() for value in (before, after))
    return [f"follows {ref}" for ref in sorted(new - old)] + [f"follows {ref} no more" for ref in sorted(old - new)]


def _split_words(before: JsonObject, after: JsonObject) -> list[str]:
    """`arm candidate of release 0743f2c1 0 % -> 5 %`, `units by request -> header:x-user`."""
    old, new = (split_of(record) for record in (before, after))
    shares = [{f"arm {arm.name} of release {short(arm.release)}": f"{100 * arm.share:g} %" for arm in side.arms} if side else {}
              for side in (old, new)]  # fmt: skip
    words = [f"{name} {shares[0].get(name, '0 %')} -> {shares[1].get(name, '0 %')}"
             for name in dict.fromkeys([*shares[1], *shares[0]]) if shares[0].get(name) != shares[1].get(name)]  # fmt: skip
    if old and new and old.unit != new.unit:
        words.append(f"units by {old.unit} -> {new.unit}")
    if old and new and old.salt != new.salt:
        words.append("who is in which arm is drawn anew")
    return words


def _gateway_words(look: Look, before: Json, after: Json) -> list[str]:
    if before == after:
        return []
    if before is None or after is None:
        return ["gateway settings come" if before is None else "gateway settings go"]
    old, new = object_of(before), object_of(after)
    words = [f"gateway {text}" for text in changed_values(_plain(old), _plain(new))]
    words += [f"caller {text}" for text in changed_values(_named(old.get("keys")), _named(new.get("keys")))]
    for key, noun in (("provider_keys", "key of provider"), ("sources", "source of index")):
        words += [f"{noun} {text}" for text in changed_values(*(object_of(side.get(key) or {}) for side in (old, new)))]
    if old.get("budget") != new.get("budget"):
        words.append(f"budget {_budget(old.get('budget'))} -> {_budget(new.get('budget'))}")
    return words + _price_words(look, old.get("prices"), new.get("prices"))


def _plain(record: JsonObject) -> JsonObject:
    return {key: value for key, value in record.items() if key not in _PARTS}


def _named(value: Json) -> dict[str, Json]:
    """The callers of a gateway by name; what key each has, by reference."""
    return {str(object_of(item)["name"]): item for item in value} if isinstance(value, list) else {}


def _budget(value: Json) -> str:
    if value is None:
        return "none"
    record = object_of(value)
    return f"{_number(record.get('usd'))} usd in {_seconds(record.get('window_seconds'))}"


def _price_words(look: Look, before: Json, after: Json) -> list[str]:
    if before == after:
        return []
    if not isinstance(before, str) or not isinstance(after, str):
        return [f"price table {'comes' if before is None else 'goes' if after is None else 'is another'}"]
    try:
        found = describe_prices(look, Digest(before), Digest(after))
    except (ShipwayError, KeyError, TypeError):  # a table that is not here any more is another one all the same
        return ["price table is another"]
    return [f"price table: {found.words}", *found.lines]

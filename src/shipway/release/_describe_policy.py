"""A change of a policy, rule by rule."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from shipway.kernel.canonical import Json, JsonObject, canonical_json
from shipway.kernel.digest import Digest
from shipway.release._describe_json import json_changes
from shipway.release._described import Described, Look, changed_values, counted, cut, duration_text, object_of, value_text


def describe_policy(look: Look, source: Digest, target: Digest) -> Described:
    """Rules that came, went or ask otherwise, and definitions that are others."""
    return describe_rules(look, look.store.get(source, "policy"), look.store.get(target, "policy"))


def describe_rules(look: Look, before: JsonObject, after: JsonObject) -> Described:
    """As describe_policy, of two policies at hand."""
    old, new = (_rules(record["rules"]) for record in (before, after))
    lines = [f"+{ref}: {_rule_text(new[ref])}" for ref in sorted(new.keys() - old.keys())]
    lines += [f"-{ref}: {_rule_text(old[ref])}" for ref in sorted(old.keys() - new.keys())]
    for ref in sorted(old.keys() & new.keys()):
        lines += [f"{ref}: {text}" for text in _rule_changes(old[ref], new[ref])]
    refs = old.keys() | new.keys()
    rules = sum(1 for ref in refs if old.get(ref) != new.get(ref))
    words = [f"{counted(rules, 'rule')} of {len(refs):,} {'differs' if rules == 1 else 'differ'}"] if rules else []
    definitions = _definitions(object_of(before["definitions"]), object_of(after["definitions"]))
    words += [f"{counted(len(definitions), 'definition')} of checks"] if definitions else []
    plain = [{key: record[key] for key in record if key not in ("rules", "definitions")} for record in (before, after)]
    lines += [*definitions, *json_changes(plain[0], plain[1])]
    return Described("; ".join(words) or "other fields", cut(lines, look.lines, width=160), {"rules": rules})


def _rules(value: Json) -> dict[str, JsonObject]:
    """By what they hold for; two rules for one ref are told apart by their place."""
    found: dict[str, JsonObject] = {}
    for rule in value if isinstance(value, list) else []:
        record = object_of(rule)
        name = str(record.get("ref") or record.get("pattern") or "rule")
        while name in found:
            name += "'"
        found[name] = record
    return found


def _rule_text(rule: JsonObject) -> str:
    words = _requirements(rule.get("require"))
    rest = {key: value for key, value in _said(rule).items() if value not in (0, None, [])}
    return ", ".join([*words, *(f"{key} {value_text(value)}" for key, value in rest.items())]) or "asks nothing"


def _rule_changes(before: JsonObject, after: JsonObject) -> list[str]:
    old, new = (_requirements(rule.get("require")) for rule in (before, after))
    lines = [f"+{text}" for text in new if text not in old] + [f"-{text}" for text in old if text not in new]
    return lines + list(json_changes(_said(before), _said(after)))


def _said(rule: JsonObject) -> dict[str, Json]:
    """All but what is required and of what; spans of time as a person writes them."""
    found: dict[str, Json] = {}
    for key, value in rule.items():
        if key.endswith("_seconds") and isinstance(value, int | float) and not isinstance(value, bool):
            found[key.removesuffix("_seconds")] = duration_text(value)
        elif key not in ("ref", "pattern", "require"):
            found[key] = value
    return found


def _requirements(value: Json) -> list[str]:
    return [_requirement(line) for line in value] if isinstance(value, list) else []


def _requirement(line: Json) -> str:
    """A stored requirement as a person writes it; one of another form as JSON."""
    record = object_of(line)
    if record.keys() == {"name", "form"}:
        return f"{record['name']} {record['form']}"
    try:
        level = (Decimal(str(record["level"])) * 100).normalize()
        return f"{record['name']} {record['form']} {Decimal(str(record['value'])):f} at {level:f}%"
    except (KeyError, InvalidOperation):
        return canonical_json(record).decode()


def _definitions(before: JsonObject, after: JsonObject) -> list[str]:
    lines = []
    for kind in sorted(before.keys() | after.keys()):
        old, new = (object_of(side.get(kind) or {}) for side in (before, after))
        lines += [f"{kind} {text}" for text in changed_values(old, new)]
    return lines

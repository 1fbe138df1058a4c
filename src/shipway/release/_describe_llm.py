"""A change of a prompt, an index, a provider or a price table in words."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import cast

from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.digest import Descriptor, Digest
from shipway.release._describe_code import HUNKS, unified
from shipway.release._described import Described, Look, changed_values, counted, cut, listed, number_text, object_of
from shipway.release._trees import compare_trees


def prompt_lines(record: JsonObject) -> list[str]:
    """The messages of a prompt as its file has them: a heading for each role, then its text."""
    lines: list[str] = []
    for message in cast("list[Mapping[str, str]]", record["messages"]):
        lines += [f"# {message['role']}", *message["text"].splitlines()]
    return lines


def describe_prompt(look: Look, source: Digest, target: Digest) -> Described:
    """How many lines came and went, which, and what else is otherwise."""
    before, after = look.store.get(source, "prompt"), look.store.get(target, "prompt")
    old, new = prompt_lines(before), prompt_lines(after)
    changed = [line for line in difflib.unified_diff(old, new, n=0, lineterm="") if line[:1] in ("+", "-")][2:]
    plus, minus = (sum(1 for line in changed if line.startswith(sign)) for sign in "+-")
    words = [f"+{plus} -{minus} lines"] if changed else []
    words += changed_values({"provider": before["provider"]}, {"provider": after["provider"]})
    words += _retrieval(before["retrieve"], after["retrieve"])
    known = ("kind", "version", "messages", "provider", "retrieve")
    words += changed_values(*({key: record[key] for key in record if key not in known} for record in (before, after)))
    shown = unified(old, new, "prompt") if look.lines > HUNKS else changed
    return Described(", ".join(words), cut(shown, look.lines), {"added": plus, "removed": minus})


def _retrieval(before: Json, after: Json) -> list[str]:
    if before == after:
        return []
    return [f"retrieves {_passages(after)} instead of {_passages(before)}"]


def _passages(retrieve: Json) -> str:
    if not isinstance(retrieve, Mapping):
        return "nothing"
    return f"{retrieve['passages']} passages of {retrieve['index']}"


def describe_index(look: Look, source: Digest, target: Digest) -> Described:
    """Documents that came, went and changed, the number of chunks, and whether they are cut or embedded otherwise."""
    before, after = look.store.get(source, "index"), look.store.get(target, "index")
    change = compare_trees(look.store, *(Descriptor.from_json(record["corpus"]).digest for record in (before, after)))
    added, removed, changed = (len(files) for files in (change.added, change.removed, change.changed))
    words = [
        f"{counted(added, 'document')} added, {removed:,} removed, {changed:,} changed",
        f"{before['chunks']} -> {after['chunks']} chunks",
    ]
    words += [f"another {key}" for key in ("extractor", "chunker", "embedder") if before.get(key) != after.get(key)]
    lines = [f"+{file.path}" for file in change.added] + [f"-{file.path}" for file in change.removed]
    lines += [f"{pair.target.path} is another" for pair in change.changed]
    facts = {"added": added, "removed": removed, "changed": changed}
    return Described(", ".join(words), cut(lines, look.lines, noun="document"), facts)


def describe_provider(look: Look, source: Digest, target: Digest) -> Described:
    """The model, the address and the parameters that are otherwise."""
    before, after = look.store.get(source, "provider"), look.store.get(target, "provider")
    plain = ({key: value for key, value in record.items() if key != "parameters"} for record in (before, after))
    words = changed_values(*plain)
    words += changed_values(*(object_of(record["parameters"]) for record in (before, after)))
    return Described(", ".join(words))


def describe_prices(look: Look, source: Digest, target: Digest) -> Described:
    """Rates that are otherwise, in US dollars per million tokens, by provider and model."""
    before, after = look.store.get(source, "prices"), look.store.get(target, "prices")
    lines = rate_changes(before, after)
    words = counted(len(lines), "price") + (" differs" if len(lines) == 1 else " differ") if lines else "the same prices"
    dates = changed_values({"of": before["date"]}, {"of": after["date"]})
    return Described("; ".join([words, *dates]), cut(lines, look.lines, noun="price"), {"prices": len(lines)})


def rate_changes(before: JsonObject, after: JsonObject) -> list[str]:
    """`answer/gpt-4o: input 2.5 -> 3 usd per million tokens`, for each model whose rates are otherwise."""
    old, new = (object_of(record["rates"]) for record in (before, after))
    lines = []
    for name in sorted(old.keys() | new.keys()):
        if name not in old:
            lines.append(f"+{name}: {_rates(new[name])}")
        elif name not in new:
            lines.append(f"-{name}")
        elif old[name] != new[name]:
            lines.append(f"{name}: {_rates(old[name])} -> {_rates(new[name])}")
    return lines


def rate_words(before: Json, after: Json) -> str:
    """What other rates mean for a million tokens, in and out."""
    return f"{_rates(before)} -> {_rates(after)}"


def _rates(value: Json) -> str:
    if not isinstance(value, Mapping):
        return "not known"
    rates = [(word, value.get(key)) for word, key in (("in", "input"), ("out", "output"))]
    words = [f"{number_text(float(rate))} {word}" if isinstance(rate, int | float) else f"? {word}" for word, rate in rates]
    return listed(words) + " usd per million tokens"

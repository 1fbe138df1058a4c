"""A change of a prompt, an index or a provider in words."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import cast

from shipway.kernel.canonical import Json, JsonObject, canonical_json
from shipway.kernel.digest import Descriptor, Digest
from shipway.store import Store

_LINES, _WIDTH = 6, 100  # a plan is read at a glance; the whole text is in the prompt's file


def prompt_lines(record: JsonObject) -> list[str]:
    """The messages of a prompt as its file has them: a heading for each role, then its text."""
    lines: list[str] = []
    for message in cast("list[Mapping[str, str]]", record["messages"]):
        lines += [f"# {message['role']}", *message["text"].splitlines()]
    return lines


def describe_prompt(store: Store, source: Digest, target: Digest) -> str:
    """How many lines came and went, which (at most six), and what else is otherwise."""
    before, after = store.get(source, "prompt"), store.get(target, "prompt")
    old, new = prompt_lines(before), prompt_lines(after)
    changed = [line for line in difflib.unified_diff(old, new, n=0, lineterm="") if line[:1] in ("+", "-")][2:]
    plus, minus = (sum(1 for line in changed if line.startswith(sign)) for sign in "+-")
    words = [f"+{plus} -{minus} lines"] if changed else []
    words += [f"{key} {_short(before[key])} -> {_short(after[key])}" for key in ("provider",) if before[key] != after[key]]
    words += _retrieval(before["retrieve"], after["retrieve"])
    shown = [f"    {line[:_WIDTH]}" for line in changed[:_LINES]]
    more = len(changed) - len(shown)
    return "\n".join([", ".join(words), *shown, *([f"    and {more} lines more"] if more else [])])


def _retrieval(before: Json, after: Json) -> list[str]:
    if before == after:
        return []
    return [f"retrieves {_passages(after)} instead of {_passages(before)}"]


def _passages(retrieve: Json) -> str:
    if not isinstance(retrieve, Mapping):
        return "nothing"
    return f"{retrieve['passages']} passages of {retrieve['index']}"


def describe_index(store: Store, source: Digest, target: Digest) -> str:
    """Documents that came, went and changed, the number of chunks, and whether they are cut or embedded otherwise."""
    before, after = store.get(source, "index"), store.get(target, "index")
    old, new = _corpus(store, before), _corpus(store, after)
    changed = sum(1 for path in old.keys() & new.keys() if old[path] != new[path])
    added, removed = len(new.keys() - old.keys()), len(old.keys() - new.keys())
    words = [
        f"{added} documents added, {removed} removed, {changed} changed",
        f"{before['chunks']} -> {after['chunks']} chunks",
    ]
    words += [f"another {key}" for key in ("extractor", "chunker", "embedder") if before.get(key) != after.get(key)]
    return ", ".join(words)


def _corpus(store: Store, record: JsonObject) -> dict[str, Digest]:
    root = Descriptor.from_json(record["corpus"]).digest
    return {file.path: file.digest for file in store.tree(root)}


def describe_provider(store: Store, source: Digest, target: Digest) -> str:
    """The model, the address and the parameters that are otherwise."""
    before, after = store.get(source, "provider"), store.get(target, "provider")
    keys = ("model", "shape", "url", "local", "weights")
    words = [f"{key} {_short(before[key])} -> {_short(after[key])}" for key in keys if before[key] != after[key]]
    old, new = (cast("Mapping[str, Json]", record["parameters"]) for record in (before, after))
    words += [
        f"{key} {_short(old[key])} -> {_short(new[key])}" for key in sorted(old.keys() & new.keys()) if old[key] != new[key]
    ]
    words += [f"+{key} {_short(new[key])}" for key in sorted(new.keys() - old.keys())]
    words += [f"-{key}" for key in sorted(old.keys() - new.keys())]
    return ", ".join(words)


def _short(value: Json) -> str:
    """A value on one line; a text as it is."""
    if value is None:
        return "none"
    text = value if isinstance(value, str) and value.isprintable() else canonical_json(value).decode()
    return text if len(text) <= 60 else text[:57] + "..."

"""A change of one component in words: counts and consequence, never a wall of JSON."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import cast

from shipway.environment import parse_lock
from shipway.kernel.canonical import Json
from shipway.kernel.digest import Descriptor, Digest, short
from shipway.release._describe_llm import describe_index, describe_prompt, describe_provider
from shipway.store import Store


def describe_change(store: Store, kind: str, source: Digest | None, target: Digest | None) -> str:
    """What is different between two objects of one kind; either may be missing. A prompt's has its changed lines below it."""
    if source is None or target is None:
        return f"new {short(target)}" if target else f"removed (was {short(source or '')})"
    detail = {
        "data": _files,
        "code": _lines,
        "environment": _packages,
        "prompt": describe_prompt,
        "index": describe_index,
        "provider": describe_provider,
    }.get(kind)
    words = detail(store, source, target) if detail else ""
    return f"{short(source)} -> {short(target)}" + (f": {words}" if words else "")


def _files(store: Store, source: Digest, target: Digest) -> str:
    before, after = _tree(store, source), _tree(store, target)
    added, removed = after.keys() - before.keys(), before.keys() - after.keys()
    changed = sum(1 for path in before.keys() & after.keys() if before[path] != after[path])
    return f"{len(added)} files added, {len(removed)} removed, {changed} changed"


def _lines(store: Store, source: Digest, target: Digest) -> str:
    before, after = _tree(store, source), _tree(store, target)
    parts = []
    for path in sorted(before.keys() | after.keys()):
        if before.get(path) != after.get(path):
            old, new = (_text(store, side.get(path)) for side in (before, after))
            diff = list(difflib.unified_diff(old, new, n=0, lineterm=""))[2:]
            plus, minus = (sum(1 for line in diff if line.startswith(sign)) for sign in "+-")
            parts.append(f"{path} +{plus} -{minus}")
    return ", ".join(parts)


def _packages(store: Store, source: Digest, target: Digest) -> str:
    before, after = _pins(store, source), _pins(store, target)
    changed = [
        f"{name} {before[name]} -> {after[name]}"
        for name in sorted(before.keys() & after.keys())
        if before[name] != after[name]
    ]
    added = [f"+{name} {after[name]}" for name in sorted(after.keys() - before.keys())]
    removed = [f"-{name}" for name in sorted(before.keys() - after.keys())]
    return ", ".join(changed + added + removed)


def _tree(store: Store, digest: Digest) -> dict[str, Digest]:
    root = Descriptor.from_json(store.get(digest)["root"]).digest
    return {file.path: file.digest for file in store.tree(root)}


def _text(store: Store, digest: Digest | None) -> list[str]:
    return store.objects.get(digest).decode("utf-8", "replace").splitlines() if digest else []


def _pins(store: Store, digest: Digest) -> dict[str, str]:
    lock = Descriptor.from_json(cast("Mapping[str, Json]", store.get(digest, "environment"))["lock"])
    return {pin.name: pin.version for pin in parse_lock(store.objects.get(lock.digest))}

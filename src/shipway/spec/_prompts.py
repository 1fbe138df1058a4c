"""The `prompts:` section: a file of messages, the provider that answers it, and the index that it retrieves from."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from shipway.spec._fields import count, fields
from shipway.spec._names import declared, inside_path, name_of
from shipway.spec._node import Node

PASSAGES = 4  # four chunks of 1000 characters are about 1000 tokens: room beside the question for the smallest local model


class PromptSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A prompt's file (a path inside the project), its provider, and how many passages it retrieves from an index, if any."""

    name: str
    file: str
    provider: str
    index: str | None = None
    passages: int = PASSAGES


def read_prompt(key: Node, node: Node, *, providers: Collection[str], indexes: Collection[str]) -> PromptSpec:
    name = name_of(key, "a prompt")
    what = f"prompt {name}"
    if not isinstance(node.value, dict):
        file, entries = inside_path(node, f"the file of {what}"), {}
    else:
        entries = dict(fields(node, ("file", "provider", "index", "passages"), what))
        if "file" not in entries:
            raise key.fail(f"{what} has no file", mend="file: prompts/NAME.md")
        file = inside_path(entries["file"], f"the file of {what}")
    return PromptSpec(
        name=name,
        file=file,
        provider=_provider(key, name, entries.get("provider"), providers),
        index=_index(key, name, entries.get("index"), indexes),
        passages=count(entries["passages"], f"passages of {what}", least=1) if "passages" in entries else PASSAGES,
    )


def _provider(key: Node, name: str, node: Node | None, providers: Collection[str]) -> str:
    """The one that is named, else the one of the prompt's own name, else the only one."""
    if node:
        return declared(node, "provider", providers)
    if name in providers:
        return name
    if len(providers) == 1:
        return next(iter(providers))
    if not providers:
        raise key.fail(f"prompt {name} has no provider", mend="declare one under providers:")
    raise key.fail(f"prompt {name} does not say which provider answers it", mend="provider: " + " or ".join(providers))


def _index(key: Node, name: str, node: Node | None, indexes: Collection[str]) -> str | None:
    """The one that is named, else the only one; `off` is none."""
    if node:
        return None if node.raw == "off" and "off" not in indexes else declared(node, "index", indexes)
    if len(indexes) > 1:
        raise key.fail(f"prompt {name} does not say which index it reads", mend="index: " + " or ".join((*indexes, "off")))
    return next(iter(indexes), None)

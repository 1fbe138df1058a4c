"""The `providers:` section: language models behind an address, or served by Shipway itself, and what they are called with.

No error here repeats a key or an address that may hold one: what is wrong in such a place may be the secret itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import PurePosixPath

import msgspec

from shipway.kernel.canonical import Json
from shipway.spec._fields import choice, count, fields, number, text
from shipway.spec._names import name_of, provider_url, secret_ref
from shipway.spec._node import Node

DEFAULT_URLS: Mapping[str, str] = {"openai": "https://api.openai.com/v1", "anthropic": "https://api.anthropic.com/v1"}
_DEAREST = 1e6  # a dollar a token
_OWN = frozenset({"model", "url", "shape", "key", "local", "price"})


class ProviderSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A model and where it answers. url: the base of its API, empty when `local`; shape: whose wire format it speaks.

    key: a reference such as `secret://env/OPENAI_KEY`, never a value; local: weights that Shipway serves itself, a package's
    name or a path to a .gguf; parameters: what every call is made with; price: US dollars per million tokens by `input`,
    `cached`, `written` and `output`, None to take those of the price table.
    """

    name: str
    model: str
    url: str = ""
    shape: str = "openai"
    key: str | None = None
    local: str | None = None
    parameters: Mapping[str, Json] = {}
    price: Mapping[str, float] | None = None


def read_provider(key: Node, node: Node) -> ProviderSpec:
    name = name_of(key, "a provider")
    what = f"provider {name}"
    entries = fields(
        node,
        (
            *("model", "url", "shape", "key", "local", "price", "temperature", "top_p", "top_k", "min_p", "seed", "stop"),
            *("max_tokens", "max_completion_tokens", "frequency_penalty", "presence_penalty", "repeat_penalty"),
            *("response_format", "reasoning_effort"),
        ),
        what,
    )
    if "model" not in entries and "local" not in entries:
        raise key.fail(f"{what} has no model", mend="model: NAME, or local: the weights that Shipway serves itself")
    parameters = {word: _PARAMETERS[word](value, f"{word} of {what}") for word, value in entries.items() if word not in _OWN}
    price = _price(entries["price"], f"the price of {what}") if "price" in entries else None
    if "local" in entries:
        return _local(name, node, entries, parameters, price)
    shape = choice(entries["shape"], f"the shape of {what}", tuple(DEFAULT_URLS)) if "shape" in entries else "openai"
    return ProviderSpec(
        name=name,
        model=text(entries["model"], f"the model of {what}"),
        url=provider_url(entries["url"], f"the url of {what}") if "url" in entries else DEFAULT_URLS[shape],
        shape=shape,
        key=secret_ref(entries["key"], f"the key of {what}") if "key" in entries else None,
        parameters=parameters,
        price=price,
    )


def _local(
    name: str, node: Node, entries: Mapping[str, Node], parameters: Mapping[str, Json], price: Mapping[str, float] | None
) -> ProviderSpec:
    for word in ("url", "shape", "key"):
        if word in entries:
            raise node.keys[word].fail(f"provider {name} is local: Shipway serves it itself, without {word}", mend="remove it")
    local = text(entries["local"], f"the weights of provider {name}")
    stem = PurePosixPath(local).stem if local.endswith(".gguf") else local
    model = text(entries["model"], f"the model of provider {name}") if "model" in entries else stem
    return ProviderSpec(name=name, model=model, local=local, parameters=parameters, price=price)


def _price(node: Node, what: str) -> Mapping[str, float]:
    entries = fields(node, ("input", "cached", "written", "output"), what)
    for word in ("input", "output"):
        if word not in entries:
            raise node.fail(f"{what} lacks {word}", mend="US dollars per million tokens: {input: 0.15, output: 0.6}")
    price = {word: float(number(value, f"{word} of {what}")) for word, value in entries.items()}
    for word, rate in price.items():
        if not 0 <= rate < _DEAREST:
            raise entries[word].fail(f"{word} of {what} is dollars per million tokens, not {entries[word].shown()}")
    return price


def _within(low: float, high: float) -> Callable[[Node, str], Json]:
    def read(node: Node, what: str) -> Json:
        value = number(node, what)
        if not low <= value <= high:
            raise node.fail(f"{what} is between {low:g} and {high:g}, not {node.shown()}")
        return value

    return read


def _positive(node: Node, what: str) -> Json:
    return count(node, what, least=1)


def _seed(node: Node, what: str) -> Json:
    value = number(node, what)
    if not isinstance(value, int):
        raise node.fail(f"{what} is a whole number, not {node.shown()}")
    return value


def _stop(node: Node, what: str) -> Json:
    """Texts that end an answer, always as a list; unlike other texts they may be a line's end."""
    items = node.value if isinstance(node.value, list) else [node]
    words = [item.value for item in items if isinstance(item.value, str) and item.value]
    if not words or len(words) != len(items) or len(set(words)) != len(words):
        raise node.fail(f"{what} is a text or a list of them, each once", mend='as in ["\\n", "###"]')
    return list[Json](words)


def _format(node: Node, what: str) -> Json:
    if not isinstance(node.value, dict):
        raise node.fail(f"{what} is a group of keys, not {node.shown()}", mend="as in {type: json_object}")
    return node.plain()


_PARAMETERS: Mapping[str, Callable[[Node, str], Json]] = {
    "temperature": _within(0, 2),
    "top_p": _within(0, 1),
    "top_k": count,
    "min_p": _within(0, 1),
    "seed": _seed,
    "stop": _stop,
    "max_tokens": _positive,
    "max_completion_tokens": _positive,
    "frequency_penalty": _within(-2, 2),
    "presence_penalty": _within(-2, 2),
    "repeat_penalty": _within(0, 10),
    "response_format": _format,
    "reasoning_effort": text,
}

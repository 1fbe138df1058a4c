"""Canonical JSON (RFC 8785) with two rules for what JSON cannot say, so that one value has one digest.

Integers beyond 2^53 are written as decimal strings (RFC 8785 forbids them as numbers, because they change in a double),
so that 2^60 and the text "1152921504606846976" are one value with one digest: a format that has to tell them apart says
which it is. Names that are not UTF-8 are written as `base64:` and their bytes. NaN and infinities are refused, and so is
a key that comes twice.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import cast

from shipway.kernel.errors import ShipwayError

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]
JsonObject = Mapping[str, Json]

_SAFE = 2**53 - 1  # the largest integer that every JSON reader keeps exactly


class NotCanonical(ShipwayError):
    """A value that has no canonical form: NaN, an infinity, a key that is not text or comes twice, an unknown type."""

    code = "kernel.not-canonical"


def canonical_json(value: Json) -> bytes:
    """The one byte form of a JSON value; raises NotCanonical, also for one too deep to walk.

    A whole number beyond 2^53 comes out as its decimal string, and has that string's digest.

    >>> canonical_json({"b": 1.0, "a": [True, None, 2**60]})
    b'{"a":[true,null,"1152921504606846976"],"b":1}'
    """
    import rfc8785  # whoever only reads does not wait for it

    try:
        return rfc8785.dumps(cast("dict[str, object]", _plain(value)))  # type: ignore[arg-type]
    except RecursionError as problem:
        raise NotCanonical("no canonical JSON: the value is too deep") from problem
    except (rfc8785.CanonicalizationError, ValueError) as problem:
        raise NotCanonical(f"no canonical JSON: {problem}") from problem


def parse_json(data: bytes | str) -> Json:
    """The value of a JSON text; raises NotCanonical for what is no JSON (NaN included) and for a key that comes twice."""

    def refuse(name: str) -> Json:
        raise NotCanonical(f"{name} is not JSON")

    try:
        value = json.loads(data, parse_constant=refuse, parse_int=_whole_number, object_pairs_hook=_object)
        return cast("Json", value)
    except RecursionError as problem:
        raise NotCanonical("not JSON that is read here: it is nested too deep") from problem
    except (ValueError, OverflowError) as problem:
        raise NotCanonical(f"not JSON: {problem}") from problem


def parse_object(data: bytes | str) -> dict[str, Json]:
    """As parse_json, for a text that must be a JSON object."""
    value = parse_json(data)
    if not isinstance(value, dict):
        raise NotCanonical(f"a JSON object was expected, not {type(value).__name__}")
    return value


def text_of_name(name: bytes) -> str:
    """A file name as JSON text: itself when UTF-8, otherwise `base64:` and its bytes.

    >>> text_of_name(b"caf\\xc3\\xa9"), text_of_name(b"\\xff")
    ('café', 'base64:/w==')
    """
    try:
        text = name.decode("utf-8")
    except UnicodeDecodeError:
        return "base64:" + base64.b64encode(name).decode()
    return "base64:" + base64.b64encode(name).decode() if text.startswith("base64:") else text


def texts_of_names(names: Sequence[bytes]) -> list[str]:
    """As text_of_name of each name of a folder, decoded at once where all are UTF-8.

    >>> texts_of_names([b"a", b"b"]), texts_of_names([b"\\xff"])
    (['a', 'b'], ['base64:/w=='])
    """
    whole = b"/".join(names)
    if b"base64:" not in whole:
        with suppress(UnicodeDecodeError):
            texts = whole.decode("utf-8").split("/")
            if len(texts) == len(names):
                return texts
    return [text_of_name(name) for name in names]


def name_of_text(text: str) -> bytes:
    """The inverse of text_of_name; raises NotCanonical."""
    if not text.startswith("base64:"):
        return text.encode("utf-8")
    try:
        return base64.b64decode(text.removeprefix("base64:"), validate=True)
    except ValueError as problem:
        raise NotCanonical(f"{text!r} is no name: {problem}") from problem


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    """An object; readers differ in which of two equal keys they believe, so there may not be two."""
    value = dict(pairs)
    if len(value) < len(pairs):
        names = [name for name, _ in pairs]
        raise NotCanonical(f"the key {next(name for name in names if names.count(name) > 1)!r} comes twice")
    return value


def _whole_number(digits: str) -> int | float:
    """An integer; beyond 2^53 canonical JSON has only doubles, so that is what the digits are.

    >>> _whole_number("9007199254740992")
    9007199254740992.0
    """
    number = int(digits)
    return number if -_SAFE <= number <= _SAFE else float(number)


def _plain(value: Json) -> Json:
    """The value with oversized integers as text and containers as list and dict."""
    if isinstance(value, bool) or value is None or isinstance(value, str | float):
        return value
    if isinstance(value, int):
        return value if -_SAFE <= value <= _SAFE else str(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [_plain(item) for item in value]
    raise NotCanonical(f"{type(value).__name__} is not a JSON value")

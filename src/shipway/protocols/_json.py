"""JSON bodies: typed decoding, and the one word of Python's own JSON that clients send."""

from __future__ import annotations

import json
import re
from typing import TypeVar

import msgspec

from shipway.protocols._http import BodyMalformed

Message = TypeVar("Message")

Plain = bool | int | float | str | None
"""A value of a row as JSON has it."""

_PYTHONS_OWN = re.compile(rb"NaN|Infinity")  # words that Python's json writes and JSON does not have


def decode_body(decoder: msgspec.json.Decoder[Message], text: bytes, what: str) -> Message:
    """The message in a body, NaN read as null; what: it should be, for the error. Raises BodyMalformed."""
    try:
        try:
            return decoder.decode(text)
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:
            if not _PYTHONS_OWN.search(text):
                raise
            return decoder.decode(_without_nan(text))
    except msgspec.ValidationError as problem:
        raise BodyMalformed(f"not {what}: {problem}") from problem
    except (ValueError, RecursionError) as problem:  # a DecodeError is a ValueError
        raise BodyMalformed(f"the body is not JSON: {problem}") from problem


def decode_usual(decoder: msgspec.json.Decoder[Message], text: bytes) -> Message | None:
    """The message in a body of the usual form; None for any other, which is read with care."""
    try:
        return decoder.decode(text)
    except (ValueError, RecursionError):  # a DecodeError is a ValueError
        return None


def _without_nan(text: bytes) -> bytes:
    """The same JSON with null for NaN; raises ValueError for what null cannot stand for."""

    def constant(name: str) -> None:
        if name != "NaN":
            raise ValueError(f"{name} can only be sent as binary data")

    return json.dumps(json.loads(text, parse_constant=constant)).encode()

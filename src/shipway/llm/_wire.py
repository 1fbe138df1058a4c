"""What both wire formats are translated to: the parts of an answer, and the deltas of a stream. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Protocol

import msgspec

from shipway.kernel.canonical import Json
from shipway.llm._types import Message, Provider, Usage

Count = Annotated[int, msgspec.Meta(ge=0)]


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer as its wire format holds it; usage None where the provider counted nothing."""

    text: str
    usage: Usage | None
    model: str
    finish: str
    fingerprint: str | None = None


@dataclass(frozen=True, slots=True)
class Delta:
    """What one frame of a stream adds; a field is None where the frame is silent about it.

    token: the frame carries output, text or not (a tool call has no text); output alone counts up to its last value.
    """

    text: str = ""
    token: bool = False
    usage: Usage | None = None
    finish: str | None = None
    model: str | None = None
    fingerprint: str | None = None
    error: str | None = None
    done: bool = False


class Shape(Protocol):
    """One provider's wire format: pure translation, no I/O."""

    default_url: str
    path: str

    def headers(self, key: str | None) -> dict[str, str]: ...
    def body(
        self, provider: Provider, messages: tuple[Message, ...], parameters: Mapping[str, Json], *, stream: bool
    ) -> bytes: ...
    def answer(self, body: bytes) -> Answer: ...  # raises msgspec.DecodeError
    def usage(self, body: bytes) -> Usage | None: ...  # raises msgspec.DecodeError
    def delta(self, data: bytes, so_far: Usage | None) -> Delta: ...  # raises msgspec.DecodeError


def encode(value: object) -> bytes:
    return msgspec.json.encode(value)

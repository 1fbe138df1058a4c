"""The nouns of a call to a language model: message, provider, usage, completion, embedder. Types only, and their JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, cast

from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.digest import Digest
from shipway.kernel.units import Usd as Usd

if TYPE_CHECKING:  # numpy is most of the time that importing this room would take
    import numpy as np
    from numpy.typing import NDArray

OPENAI, ANTHROPIC = "openai", "anthropic"
SHAPES = (OPENAI, ANTHROPIC)


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation; role is `system`, `user` or `assistant`."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call as the provider counted them. cached and written are part of `input`, as in OpenAI's accounting.

    estimated: the provider sent no usage and the numbers are our count.
    """

    input: int
    output: int
    cached: int = 0
    written: int = 0
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Provider:
    """A model behind an address, with the parameters it is called with.

    shape: whose wire format it speaks; url: the base that `/chat/completions` or `/messages` is put after; key: a reference
    such as `secret://env/OPENAI_KEY`, never a value; local: weights that Shipway serves itself on loopback, by package or
    path (the url is then where that server answers, empty until it runs); weights: their digest.
    """

    name: str
    model: str
    url: str = ""
    shape: str = OPENAI
    key: str | None = None
    local: str | None = None
    weights: Digest | None = None
    parameters: Mapping[str, Json] = field(default_factory=dict)

    def to_object(self) -> JsonObject:
        """What determines the answers: the object that a release locks. Neither the key nor a local server's port is in it."""
        return {
            "kind": "provider",
            "version": 1,
            "shape": self.shape,
            "model": self.model,
            "url": None if self.local else self.url,
            "local": self.local,
            "weights": self.weights,
            "parameters": dict(self.parameters),
        }

    @classmethod
    def from_object(cls, name: str, record: JsonObject, *, key: str | None = None, url: str = "") -> Provider:
        """The provider of a release, under the name of its component; url: of a local one, where its server answers."""
        local, weights = record["local"], record["weights"]
        return cls(
            name=name,
            model=str(record["model"]),
            url=str(record["url"] or url),
            shape=str(record["shape"]),
            key=key,
            local=str(local) if local else None,
            weights=cast("Digest", weights) if weights else None,
            parameters=cast("Mapping[str, Json]", record["parameters"]),
        )


@dataclass(frozen=True, slots=True)
class Completion:
    """What a provider answered. model and fingerprint: as the provider says; seconds from sending; first_token: None when
    the answer was not streamed.
    """

    text: str
    usage: Usage
    model: str
    finish: str
    seconds: float
    first_token: float | None = None
    fingerprint: str | None = None


class Embedder(Protocol):
    """Texts to vectors. `record` is the object that an index names, its digest in `digest`; equal records embed equally."""

    @property
    def record(self) -> JsonObject: ...
    @property
    def digest(self) -> Digest: ...
    @property
    def dimension(self) -> int: ...
    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(len(texts), dimension), each row of length 1, the same whatever the company. Raises EmbedderDown."""
        ...

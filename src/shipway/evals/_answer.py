"""Answer: what one call of the thing that is evaluated gave back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from shipway.kernel.canonical import JsonObject


@dataclass(frozen=True, slots=True)
class Answer:
    """documents: keys of what was retrieved, best first, `path` or `path#heading`; usd: None where no price is known;
    seconds: to the whole answer; degraded: layers that were down; error: why there is no answer (text is then empty).
    """

    text: str
    documents: tuple[str, ...] = ()
    usd: float | None = None
    seconds: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    degraded: tuple[str, ...] = ()
    error: str | None = None

    def to_json(self) -> JsonObject:
        """The form in sample logs and kept samples."""
        return {
            "text": self.text,
            "documents": list(self.documents),
            "usd": self.usd,
            "seconds": self.seconds,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "degraded": list(self.degraded),
            "error": self.error,
        }

    @classmethod
    def from_json(cls, record: JsonObject) -> Answer:
        """The inverse of to_json. Raises KeyError, TypeError, ValueError."""
        usd, error = record["usd"], record["error"]
        return cls(
            text=str(record["text"]),
            documents=tuple(str(key) for key in cast("Sequence[str]", record["documents"])),
            usd=None if usd is None else float(cast("float", usd)),
            seconds=float(cast("float", record["seconds"])),
            input_tokens=int(cast("int", record["input_tokens"])),
            output_tokens=int(cast("int", record["output_tokens"])),
            degraded=tuple(str(layer) for layer in cast("Sequence[str]", record["degraded"])),
            error=None if error is None else str(error),
        )

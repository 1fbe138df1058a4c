"""Golden prompts: what a provider said to the same prompts, each asked several times, kept as an object to compare with."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.digest import Digest, digest_bytes
from shipway.kernel.errors import ShipwayError

BASELINE = "baseline"


class BaselineMalformed(ShipwayError):
    """Runs of golden prompts that cannot be compared: none at all, no prompt in common, or a record that is no baseline."""

    code = "monitor.baseline-malformed"


@dataclass(frozen=True, slots=True)
class PromptRun:
    """One answer of a provider to one golden prompt.

    prompt: its name; prompt_tokens: as the provider counted, None when it did not say; score: against the prompt's target,
    larger is better; fingerprint, model: as the provider says; vector: the answer's embedding.
    """

    prompt: str
    prompt_tokens: int | None
    text: str
    model: str
    seconds: float
    score: float | None = None
    fingerprint: str | None = None
    vector: tuple[float, ...] | None = None

    @property
    def output(self) -> Digest:
        """The digest of the answer's text."""
        return digest_bytes(self.text.encode())

    def to_json(self) -> JsonObject:
        """The run as it stands in a baseline, below its prompt's name."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "output": self.output,
            "text": self.text,
            "score": self.score,
            "fingerprint": self.fingerprint,
            "model": self.model,
            "seconds": self.seconds,
            "vector": _packed(self.vector),
        }

    @classmethod
    def from_json(cls, prompt: str, record: JsonObject) -> PromptRun:
        """The inverse of to_json; a vector comes back as single precision."""
        score, tokens, fingerprint = record["score"], record["prompt_tokens"], record["fingerprint"]
        return cls(
            prompt=prompt,
            prompt_tokens=None if tokens is None else int(cast("int", tokens)),
            text=str(record["text"]),
            model=str(record["model"]),
            seconds=float(cast("float", record["seconds"])),
            score=None if score is None else float(cast("float", score)),
            fingerprint=None if fingerprint is None else str(fingerprint),
            vector=_unpacked(record["vector"]),
        )


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a provider said when it was as it should be. provider: its name in the spec."""

    provider: str
    runs: tuple[PromptRun, ...]

    def to_object(self) -> JsonObject:
        """The object of kind `baseline`; prompts in the order of their names, repeats in the order they were asked."""
        prompts: dict[str, Json] = {name: [run.to_json() for run in runs] for name, runs in by_prompt(self.runs).items()}
        return {"kind": BASELINE, "version": 1, "provider": self.provider, "prompts": prompts}

    @classmethod
    def from_object(cls, record: JsonObject) -> Baseline:
        """The inverse of to_object. Raises BaselineMalformed."""
        try:
            prompts = cast("Mapping[str, Sequence[JsonObject]]", record["prompts"])
            runs = tuple(PromptRun.from_json(name, run) for name, repeats in prompts.items() for run in repeats)
            return cls(str(record["provider"]), runs)
        except (KeyError, TypeError, ValueError, AttributeError) as problem:
            raise BaselineMalformed(f"not a baseline of golden prompts: {problem}", mend="take a new one") from problem


def take_baseline(runs: Iterable[PromptRun], *, provider: str) -> Baseline:
    """The baseline of these runs; two repeats of each prompt at least, or its noise is not known. Raises BaselineMalformed."""
    kept = tuple(runs)
    if not kept:
        raise BaselineMalformed(f"no runs of golden prompts against {provider}", mend="ask each prompt at least twice")
    single = [name for name, repeats in by_prompt(kept).items() if len(repeats) < 2]
    if single:
        what = f"{len(single)} golden prompts were asked only once, {single[0]!r} among them"
        raise BaselineMalformed(what, where=provider, mend="ask each prompt at least twice: its noise must be known")
    return Baseline(provider, kept)


def by_prompt(runs: Iterable[PromptRun]) -> dict[str, list[PromptRun]]:
    """The repeats of each prompt, prompts by name."""
    found: dict[str, list[PromptRun]] = {}
    for run in runs:
        found.setdefault(run.prompt, []).append(run)
    return dict(sorted(found.items()))


def _packed(vector: tuple[float, ...] | None) -> str | None:
    """Base64 of little-endian float32: a fifth of the size of its numbers in JSON."""
    return None if vector is None else base64.b64encode(np.asarray(vector, dtype="<f4").tobytes()).decode()


def _unpacked(value: Json) -> tuple[float, ...] | None:
    if value is None:
        return None
    numbers: NDArray[np.float32] = np.frombuffer(base64.b64decode(str(value), validate=True), dtype="<f4")
    return tuple(numbers.tolist())

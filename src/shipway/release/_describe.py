"""A change of one object in words: counts and consequence, never a wall of JSON. `plan` and `diff` say it the same way."""

from __future__ import annotations

from collections.abc import Callable

from shipway.kernel.digest import Digest, short
from shipway.kernel.errors import ShipwayError
from shipway.release._describe_code import describe_code, describe_environment, describe_pipeline
from shipway.release._describe_data import describe_data, describe_profile
from shipway.release._describe_deployment import describe_settings
from shipway.release._describe_json import describe_json
from shipway.release._describe_llm import describe_index, describe_prices, describe_prompt, describe_provider
from shipway.release._describe_model import describe_model
from shipway.release._describe_policy import describe_policy
from shipway.release._described import Described, Look, printable

_Describe = Callable[[Look, Digest, Digest], Described]
_WORDS: dict[str, _Describe] = {
    "code": describe_code,
    "environment": describe_environment,
    "pipeline": describe_pipeline,
    "profile": describe_profile,
    "model": describe_model,
    "prompt": describe_prompt,
    "index": describe_index,
    "provider": describe_provider,
    "prices": describe_prices,
    "policy": describe_policy,
    "deployment": describe_settings,
}
_UNREADABLE = (ShipwayError, LookupError, TypeError, ValueError, AttributeError, ArithmeticError, OSError)


def describe_change(look: Look, kind: str, source: Digest | None, target: Digest | None, *, name: str = "") -> Described:
    """What differs between two objects of one kind, told as that kind is; either may be missing. kind: as a release has it.

    name: what a person calls it. Never raises for what an object holds: one that does not read as its kind is compared as JSON.
    """
    if source == target:
        return Described()
    if source is None or target is None:
        return Described(f"new {short(target)}" if target else f"removed (was {short(source or '')})")
    return _printable(_told(look, kind, source, target, name))


def _told(look: Look, kind: str, source: Digest, target: Digest, name: str) -> Described:
    try:
        if kind in ("data", "snapshot"):
            return describe_data(look, source, target, name)
        found = _WORDS[kind](look, source, target) if kind in _WORDS else Described()
        if found.words or kind == "deployment":  # of a deployment only the release may differ, which is told by itself
            return found
    except _UNREADABLE as problem:
        return _as_json(look, source, target, problem)
    return _as_json(look, source, target, None)


def _printable(told: Described) -> Described:
    """What was told on single lines, nothing of it a command to the terminal: names and texts are other people's."""
    return Described(printable(told.words), tuple(printable(line) for line in told.lines), told.facts)


def _as_json(look: Look, source: Digest, target: Digest, problem: Exception | None) -> Described:
    why = problem.what if isinstance(problem, ShipwayError) else ""
    try:
        before, after = look.store.get(source), look.store.get(target)
        found = describe_json(look, before, after)
    except _UNREADABLE as broken:
        told = broken.what if isinstance(broken, ShipwayError) else str(broken)
        return Described(f"not compared: {told[:200]}")
    words = found.words or "the same values in other bytes"
    return Described(f"{words} ({why[:200]})" if why else words, found.lines, found.facts)

"""What a person means by a word: a ref, an alert, the id of a prediction or a call, or the first digits of a digest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from shipway.kernel.digest import is_digest
from shipway.kernel.errors import ShipwayError
from shipway.monitor import find_call, find_predictions, load_alerts
from shipway.operate._control import gather
from shipway.store import Store

MEANINGS = ("ref", "alert", "prediction", "call", "digest")
_SHOWN = 10  # readings of an ambiguous word that are named


class Ambiguous(ShipwayError):
    """A word that means more than one thing."""

    code = "operate.ambiguous"


class NothingKnown(ShipwayError):
    """No ref, prediction, call, alert or object of that name or digest."""

    code = "operate.nothing-known"


class Meant(NamedTuple):
    """What a word means: one of MEANINGS, and its whole name."""

    kind: str
    name: str


def find_meant(store: Store, text: str, *, only: str | None = None) -> Meant:
    """What a person means by a ref, an id or the first digits of a digest; only: one of MEANINGS, when the word is several.

    A deployment may be written without `deploy/` and, when it is live in one environment, without that. Raises Ambiguous,
    NothingKnown.
    """
    finders = {"ref": _refs, "alert": _alerts, "digest": _digests, "prediction": _predictions, "call": _calls}
    found: list[Meant] = []
    for kind in ("ref", "alert", "digest", "prediction", "call"):
        if only not in (None, kind) or (kind in ("prediction", "call") and _is_surely_other(text, found)):
            continue
        found += [Meant(kind, name) for name in finders[kind](store, text)]
    if not found:
        what = f"{only} {text!r}" if only else repr(text)
        raise NothingKnown(f"nothing here is called {what}", where=store.project, mend="shipway log names the refs")
    if len(found) > 1:
        names = ", ".join(f"{meant.kind} {meant.name}" for meant in found[:_SHOWN])
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise Ambiguous(f"{text!r} may be {names}{more}", mend="write more of it, or say which with --as")
    return found[0]


def _refs(store: Store, text: str) -> list[str]:
    text = text.removesuffix("@approved")
    if store.ref(text):
        return [text]
    deploys = [ref.name for ref in store.refs("deploy/")] if "/" not in text else []
    return [name for name in deploys if name == f"deploy/{text}" or name.startswith(f"deploy/{text}@")]


def _alerts(store: Store, text: str) -> list[str]:
    """By its whole key `REF/MONITOR/DAY`, or by `REF/MONITOR`."""
    if text.count("/") < 2:
        return []
    ref = "/".join(text.split("/")[:2])
    return [alert.key for alert in load_alerts(store, ref) if alert.key == text or alert.key.startswith(f"{text}/")]


def _digests(store: Store, text: str) -> list[str]:
    if is_digest(text):
        return [text]
    return [str(digest) for digest in store.find_objects(text.removeprefix("sha256:").lower())]


def _predictions(store: Store, text: str) -> list[str]:
    gather(store)
    return sorted(set(find_predictions(store, text)["id"].to_list()))


def _calls(store: Store, text: str) -> list[str]:
    return [text] if find_call(store, text).height else []


def _is_surely_other(text: str, found: Sequence[Meant]) -> bool:
    """Whether the logs need not be read: a name of ours with its kind in front, or a whole digest."""
    return is_digest(text) or any("/" in text for meant in found if meant.kind in ("ref", "alert"))

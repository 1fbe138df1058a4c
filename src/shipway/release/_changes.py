"""What is otherwise between two releases and two deployments, component by component."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import Digest, short
from shipway.kernel.errors import ShipwayError
from shipway.release._commits import commit_of, commit_words
from shipway.release._deployment import release_descriptor
from shipway.release._describe import describe_change
from shipway.release._describe_llm import rate_words
from shipway.release._described import Described, Look, cut, object_of
from shipway.release._manifest import Component, ReleaseMalformed, load_components
from shipway.store import ObjectDamaged, ObjectMissing, Store

Parts = Mapping[tuple[str, str], Component]


@dataclass(frozen=True, slots=True)
class Change:
    """One component, live and desired; source or target None: added or removed.

    text: the difference on one line; lines: its detail; facts: its numbers, by kind (docs/format.md has none: they are no
    stored format).
    """

    kind: str
    name: str
    source: Digest | None
    target: Digest | None
    text: str
    lines: tuple[str, ...] = ()
    facts: JsonObject = field(default_factory=dict)

    def to_json(self) -> JsonObject:
        """What a plan keeps of it."""
        return {"kind": self.kind, "name": self.name, "from": self.source, "to": self.target, "text": self.text}


def release_changes(
    look: Look,
    source: Digest | None,
    target: Digest,
    *,
    prices: tuple[Digest | None, Digest | None] = (None, None),
    detail: bool = True,
) -> tuple[Change, ...]:
    """The components in which two releases differ, by kind and name. prices: the tables by which each is booked.

    detail: in words; without it only which components. Raises ReleaseMalformed, ObjectMissing, ObjectDamaged.
    """
    before, after = parts_of(look.store, source), parts_of(look.store, target)
    found = []
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key), after.get(key)
        if old == new:
            continue
        kind, name = key
        ends = old.digest if old else None, new.digest if new else None
        told = describe_change(look, kind, *ends, name=name) if detail else Described()
        if detail and kind == "code" and all(ends):
            told = _with_commits(look, told, before, after)
        if detail and kind == "provider":
            told = _with_rates(look, told, name, *ends, prices)
        found.append(change_of(kind, name, *ends, told))
    return tuple(found)


def deployment_changes(look: Look, source: Digest | None, target: Digest) -> tuple[Change, ...]:
    """The components in which the releases of two deployments differ, then the settings; all are new where source is None.

    What is live may be unreadable by now: then everything counts as new.
    """
    before, after = _deployment(look.store, source), look.store.get(target, "deployment")
    tables = (_prices(before), _prices(after))
    live = release_behind(look.store, source)
    found = release_changes(look, live, release_descriptor(after).digest, prices=tables)
    settings = describe_change(look, "deployment", source, target) if source else Described()
    if not settings.facts.get("settings", settings.words):
        return found
    return (*found, change_of("deployment", "", source, target, settings))


def release_behind(store: Store, deployment: Digest | None) -> Digest | None:
    """The release of a deployment; None where either cannot be read any more: that must not bar the way to what can."""
    with suppress(ObjectMissing, ObjectDamaged, ReleaseMalformed):
        release = release_descriptor(store.get(deployment, "deployment")).digest if deployment else None
        parts_of(store, release)
        return release
    return None


def _deployment(store: Store, digest: Digest | None) -> JsonObject | None:
    with suppress(ObjectMissing, ObjectDamaged):
        return store.get(digest, "deployment") if digest else None
    return None


def _prices(deployment: JsonObject | None) -> Digest | None:
    gateway = deployment.get("gateway") if deployment else None
    prices = object_of(gateway).get("prices") if gateway else None
    return Digest(str(prices)) if prices else None


def change_of(kind: str, name: str, source: Digest | None, target: Digest | None, told: Described) -> Change:
    """A described change with both digests before its words."""
    move = f"{short(source)} -> {short(target)}" if source and target else ""
    text = ": ".join(part for part in (move, told.words) if part)
    return Change(kind, name, source, target, text, told.lines, told.facts)


def parts_of(store: Store, release: Digest | None) -> dict[tuple[str, str], Component]:
    """The components of a release by kind and name; none of no release."""
    return {(part.kind, part.name): part for part in load_components(store, release)} if release else {}


def _with_commits(look: Look, told: Described, before: Parts, after: Parts) -> Described:
    source, target = (commit_of(look, parts.values()) for parts in (before, after))
    words, titles = commit_words(look, source, target)
    if not words:
        return told
    commits: JsonObject = {
        "from": source.digest if source else None,
        "to": target.digest if target else None,
        "between": len(titles),
    }
    lines = (*cut(titles, look.lines, noun="commit"), *told.lines)
    return Described("; ".join(part for part in (told.words, words) if part), lines, {**told.facts, "commits": commits})


def _with_rates(
    look: Look,
    told: Described,
    name: str,
    source: Digest | None,
    target: Digest | None,
    prices: tuple[Digest | None, Digest | None],
) -> Described:
    """What the model costs in both tables, per million tokens."""
    rates = [_rates(look.store, name, *ends) for ends in zip((source, target), prices, strict=True)]
    if rates[0] == rates[1] or None in rates:
        return told
    return replace(
        told, lines=(*told.lines, rate_words(*rates)), facts={**told.facts, "rates": {"from": rates[0], "to": rates[1]}}
    )


def _rates(store: Store, name: str, provider: Digest | None, prices: Digest | None) -> JsonObject | None:
    if provider is None or prices is None:
        return None
    try:
        model = store.get(provider, "provider")["model"]
        return object_of(object_of(store.get(prices, "prices")["rates"]).get(f"{name}/{model}"))
    except (ShipwayError, KeyError, TypeError):
        return None

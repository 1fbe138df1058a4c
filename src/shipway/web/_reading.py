"""Objects of the store as a page needs them: each read once a request, and one that cannot be read is a remark, no failure.

An on-call engineer opens the page when something is broken; a damaged verdict must not take the rest of it away.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar, cast

from shipway.gate import release_of
from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.check import Check
from shipway.kernel.digest import Digest
from shipway.kernel.errors import ShipwayError
from shipway.monitor import ServingCost, measure_serving
from shipway.release import Component, load_components
from shipway.store import AuditRecord, Store
from shipway.web._facts import Move, VerdictFacts

T = TypeVar("T")


class Reading:
    """One request's view of a store; `problems` collects what could not be read."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.problems: list[str] = []
        self._releases: dict[Digest, Digest | None] = {}
        self._components: dict[Digest, tuple[Component, ...]] = {}
        self._costs: Mapping[str, ServingCost] | None = None

    def cost(self, release: Digest) -> ServingCost | None:
        """What predictions of a release have cost; None where nothing is recorded."""
        if self._costs is None:
            none: dict[str, ServingCost] = {}
            self._costs = self.attempt(lambda: measure_serving(self.store), none)
        return self._costs.get(release)

    def release_of(self, target: Digest) -> Digest | None:
        """The release behind a deployment; None for any other object."""
        if target not in self._releases:
            self._releases[target] = self.attempt(lambda: release_of(self.store, target), None)
        return self._releases[target]

    def components(self, release: Digest) -> tuple[Component, ...]:
        if release not in self._components:
            self._components[release] = self.attempt(lambda: load_components(self.store, release), ())
        return self._components[release]

    def move(self, record: AuditRecord) -> Move:
        """An audit record with its verdict and what it changed."""
        source, target = (digest and (self.release_of(digest) or digest) for digest in (record.source, record.target))
        deploys = record.resource.startswith("deploy/")
        changed = self._changed(source, target) if deploys and source and target else ()
        verdict = self.attempt(lambda: self._verdict(record.verdict), None) if record.verdict else None
        return Move(
            ref=record.resource,
            source=source,
            target=target,
            who=record.actor,
            when=record.at,
            why=record.why,
            outcome=record.outcome,
            action=record.action,
            verdict=verdict,
            changed=changed,
        )

    def attempt(self, read: Callable[[], T], otherwise: T) -> T:
        """What `read` gives, or `otherwise` and a remark."""
        try:
            return read()
        except ShipwayError as problem:
            remark = ": ".join(filter(None, (problem.what, problem.where)))
        except (KeyError, TypeError, ValueError) as problem:  # a record of another version, or not of ours
            remark = f"a record cannot be read: {type(problem).__name__}: {problem}"
        if remark not in self.problems:
            self.problems.append(remark)
        return otherwise

    def _changed(self, source: Digest, target: Digest) -> tuple[str, ...]:
        differing = set(self.components(source)) ^ set(self.components(target))
        return tuple(sorted({component.kind for component in differing}))

    def _verdict(self, digest: Digest | None) -> VerdictFacts | None:
        if digest is None:
            return None
        value = self.store.get(digest, "verdict")
        return VerdictFacts(
            digest=digest,
            verdict=str(value["verdict"]),
            returning=value.get("returning") is True,
            self_approved=value.get("self_approved") is True,
            policy=str(value["policy"]),
            checks=_checks(value["checks"]),
            missing=_texts(value["missing"]),
            evidence=_texts(value["evidence"]),
            observed=_checks(value.get("observed", [])),
        )


def _checks(value: Json) -> tuple[Check, ...]:
    return tuple(Check.from_json(check) for check in cast("list[JsonObject]", value))


def _texts(value: Json) -> tuple[str, ...]:
    return tuple(str(item) for item in value) if isinstance(value, list) else ()

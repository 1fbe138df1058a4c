"""What to do so that what runs is what the refs say. Pure, level-triggered, total: `reconcile(d, d) == ()`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shipway.kernel.digest import Digest


@dataclass(frozen=True, slots=True)
class Start:
    """Begin to serve a deployment at this ref; if another one runs there, replace it once the new one is ready."""

    ref: str
    deployment: Digest


@dataclass(frozen=True, slots=True)
class Stop:
    """End what serves this ref: it points at nothing any more."""

    ref: str


Action = Start | Stop


def reconcile(desired: Mapping[str, Digest], live: Mapping[str, Digest]) -> tuple[Action, ...]:
    """Actions that turn live into desired, starts before stops.

    >>> reconcile({"deploy/a@prod": Digest("sha256:1")}, {})
    (Start(ref='deploy/a@prod', deployment='sha256:1'),)
    """
    starts = [Start(ref, digest) for ref, digest in sorted(desired.items()) if live.get(ref) != digest]
    return (*starts, *(Stop(ref) for ref in sorted(live.keys() - desired.keys())))

"""What is known of the labels of a deployment, measured from its logs and kept for a minute."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

from shipway.kernel.errors import ShipwayError
from shipway.monitor import Labels
from shipway.operate import labels_of
from shipway.store import Store

_FRESH = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class KnownLabels:
    """By release and arm; problem: why they cannot be told, empty where they can. at: when they were measured."""

    labels: tuple[Labels, ...]
    problem: str
    at: datetime


class LabelsNow:
    """One look at a time, whoever asks: it reads four weeks of rows."""

    def __init__(self) -> None:
        self._alone, self._known = threading.Lock(), dict[str, KnownLabels]()

    def of(self, store: Store, ref: str) -> KnownLabels:
        """Of one deployment, at most a minute old."""
        with self._alone:
            now, known = store.clock.now(), self._known.get(ref)
            if known is None or not known.at <= now < known.at + _FRESH:
                known = self._known[ref] = _measured(store, ref, now)
            return known


def _measured(store: Store, ref: str, now: datetime) -> KnownLabels:
    """What a log or an object that cannot be read says is shown, and hides nothing else of the page."""
    try:
        return KnownLabels(labels_of(store, ref), "", now)
    except ShipwayError as problem:
        return KnownLabels((), problem.what, now)
    except (KeyError, TypeError, ValueError) as problem:
        return KnownLabels((), f"what is live names no target that could be read ({type(problem).__name__})", now)

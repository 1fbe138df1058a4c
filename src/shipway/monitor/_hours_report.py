"""The drift of any hours, told: of days that are settled from their leaves, of others from what is measured of them so far."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import cast

from shipway.data import Drift, measure_drift
from shipway.kernel.canonical import JsonObject
from shipway.kernel.clock import instant
from shipway.monitor._deployments import Reference, release_reference
from shipway.monitor._faults import past_unreadable
from shipway.monitor._hours import measure_hours
from shipway.monitor._new_values import new_values_json
from shipway.monitor._young import refresh_young
from shipway.store import Store


def report_hours(
    store: Store, ref: str, start: datetime, end: datetime, *, reference: Reference | None = None
) -> list[JsonObject]:
    """A record a release: what the window covers, its rows, and the drift of each feature against the release's reference."""
    found: list[JsonObject] = []
    profile_of = reference or (lambda release: release_reference(store, release))
    refresh_young(store, ref, start, end, profile_of)
    for window in measure_hours(store, ref, start, end):
        drift: Mapping[str, Drift] = {}
        with past_unreadable():  # the drift of a release that is not here is not known, its rows are
            profile = profile_of(window.release)
            drift = measure_drift(profile, window.profile) if profile else {}
        found.append(
            cast(
                "JsonObject",
                {
                    "release": window.release,
                    "from": instant(window.start),
                    "to": instant(window.end),
                    "rows": window.profile.rows,
                    "features": {
                        name: {**one._asdict(), **new_values_json(window.profile, name)} for name, one in drift.items()
                    },
                },
            )
        )
    return found

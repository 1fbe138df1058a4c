"""The references that leaves are measured over."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from shipway.data import Profile, reference_profile
from shipway.kernel.digest import Digest
from shipway.monitor._deployments import Reference
from shipway.monitor._faults import past_unreadable

# A release without a scored reference has its outcomes over twenty equal bins, and no features to compare.
_BARE = reference_profile({}, score=np.linspace(0, 1, 1001))


def readable_references(reference: Reference, releases: Iterable[Digest]) -> dict[Digest, Profile]:
    """The reference of each release that can be read; a bare one of those that carry none."""
    found = {}
    for release in releases:
        with past_unreadable():
            profile = reference(release) or _BARE
            found[release] = profile if profile.outcomes is not None else replace(profile, outcomes=_BARE.outcomes)
    return found

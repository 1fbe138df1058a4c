"""What the pages may ask for and do beyond reading a store: they are given it, and act as whoever started the server."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from shipway.access import KeyRing
from shipway.gate import Moved
from shipway.kernel.canonical import JsonObject, canonical_json
from shipway.kernel.digest import Digest, digest_bytes, short
from shipway.release import Plan, PlanStale, RefReview
from shipway.web._oncall import OnCall

_MOST = 128  # plans that are remembered; one is some kilobytes


class Draft(NamedTuple):
    """A plan as it is now, and the record by which it would be kept."""

    plan: Plan
    record: JsonObject


class Reviewed(NamedTuple):
    """The review of a snapshot, and what differs in it from what stands there; None where nothing does."""

    review: RefReview
    diff: JsonObject | None


class Approved(NamedTuple):
    """Who approved, and the envelope."""

    approver: str
    envelope: Digest


@dataclass(frozen=True, slots=True)
class Desk:
    """Every function is called by threads and opens what it needs itself. root: a checkout that knows commits.

    actor: who started the server; keys: whose evidence counts; plan: of a deployment such as `delay@prod`, moves nothing
    (raises RefMissing, NoCandidate, SpecMalformed); apply: a record that `plan` gave, with a reason (raises PlanStale,
    PlanAltered, MoveRefused, Forbidden); approve: deployment, release, reason (raises Forbidden, ReleaseMalformed);
    review: of what waits at a data set's ref, or of another snapshot (raises RefMissing, ObjectMissing, DataUnreadable); say:
    `approve`, `reject` or `comment`, the data set, the snapshot, the words (raises Forbidden, ReasonMissing, TargetWrong).
    oncall: what the page of an incident does.
    """

    actor: str
    root: Path
    keys: Callable[[], KeyRing]
    plan: Callable[[str], Draft]
    apply: Callable[[JsonObject, str], Moved]
    approve: Callable[[str, Digest, str], Approved]
    review: Callable[[str, Digest | None], Reviewed]
    say: Callable[[str, str, Digest, str], Approved]
    oncall: OnCall


class Drafts:
    """The plans that were shown last, by digest: what is applied is exactly what somebody saw. Of no use to another process.

    They are kept in memory and not in the store: looking writes no plan. The same plan again has the first one's digest.
    """

    def __init__(self) -> None:
        self._alone = threading.Lock()
        self._records: OrderedDict[Digest, JsonObject] = OrderedDict()
        self._digests: dict[Digest, Digest] = {}  # of the plan without its making -> of the plan

    def remember(self, record: JsonObject) -> Digest:
        """The digest by which the plan can be applied."""
        bare = digest_bytes(canonical_json({**record, "made": None}))
        with self._alone:
            digest = self._digests.setdefault(bare, digest_bytes(canonical_json(record)))
            self._records.setdefault(digest, record)
            self._records.move_to_end(digest)
            while len(self._records) > _MOST:
                gone, _ = self._records.popitem(last=False)
                self._digests = {key: value for key, value in self._digests.items() if value != gone}
        return digest

    def find(self, digest: Digest) -> JsonObject:
        """Raises PlanStale for a plan that was not shown lately."""
        with self._alone:
            record = self._records.get(digest)
        if record is None:
            what = f"plan {short(digest)} is not remembered here: it was shown too long ago, or by another server"
            raise PlanStale(what, where=digest, mend="look at the plan again")
        return record

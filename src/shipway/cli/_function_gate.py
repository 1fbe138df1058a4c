"""What ECS asks before a release starts and before it gets traffic: a lifecycle hook, answered by what the gate has decided.

The gate itself was asked when the ref moved. Here is asked whether that still holds: the release is one that the gate let in,
nobody has revoked it, every byte is as its digest says, and what was a move forward passes by the policy in force now.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import TYPE_CHECKING

from shipway.cli._function_project import FunctionUnready
from shipway.cli._output import Output
from shipway.kernel.errors import ShipwayError
from shipway.protocols import EventUnknown

if TYPE_CHECKING:
    from shipway.access import KeyRing
    from shipway.cli._settings import Project
    from shipway.kernel.digest import Digest
    from shipway.store import Store

_AGAIN_SECONDS = 60
_MEND = "hook_details of the service: {deployment: APP@ENV, release: sha256:...}, as the Terraform modules set them"


def gate_event(open_project: Callable[[], Project], event: object) -> Mapping[str, object]:
    """SUCCEEDED, FAILED, or IN_PROGRESS where that cannot be told now and may be later. Raises EventUnknown."""
    from shipway.kernel.digest import parse_digest

    out = Output(False)
    deployment, release = _asked(event)
    try:
        ref, digest = f"deploy/{deployment.removeprefix('deploy/')}", parse_digest(release)
        project = open_project()
        with closing(project.store) as store:
            wrong = _wrong(store, project.settings.trusted(), ref, digest)
    except ShipwayError as problem:
        wrong = problem
    if wrong is None:
        out.say(f"{ref} release {release}: passed")
        return {"hookStatus": "SUCCEEDED"}
    out.note(wrong.render())
    return {"hookStatus": "IN_PROGRESS", "callBackDelay": _AGAIN_SECONDS} if wrong.retry else {"hookStatus": "FAILED"}


def _wrong(store: Store, keys: KeyRing, ref: str, release: Digest) -> ShipwayError | None:
    """Why it may not start. Raises NeverLive, ReleaseRevoked, BundleDamaged, ObjectMissing, and what the store raises."""
    from shipway.kernel.check import Verdict
    from shipway.release import EvidenceMissing, open_stored, pinned_deployment, verify_bundle

    pinned_deployment(store, keys, ref, release)
    found = verify_bundle(open_stored(store, release), keys, ref=ref)
    if found.unchecked:
        what = f"{found.unchecked} statements about the release were not checked: no key is trusted here"
        return FunctionUnready(what, where=ref, mend="put the text of trust.json into SHIPWAY_TRUST")
    if not _forward(store, ref, release):
        return None if isinstance(found.wrong, EvidenceMissing) else found.wrong
    if found.wrong is None and found.verdict is not Verdict.PASS:
        return EvidenceMissing(f"the policy cannot tell whether {ref} may be at this release", where=release)
    return found.wrong


def _forward(store: Store, ref: str, release: Digest) -> bool:
    """Whether the newest move that put it there asked the policy: a return and a forced move do not, nor do we again."""
    return store.lives(ref, release, limit=1)[0].action == "move"


def _asked(event: object) -> tuple[str, str]:
    """The deployment and the release that a hook's details name. Raises EventUnknown."""
    found: object = event.get("hookDetails") if isinstance(event, Mapping) else None
    if isinstance(found, str):
        try:
            found = json.loads(found)
        except ValueError:
            found = None
    parts = (found.get("deployment"), found.get("release")) if isinstance(found, Mapping) else (None, None)
    if not all(isinstance(part, str) and part for part in parts):
        raise EventUnknown("no lifecycle hook of ECS that names a deployment and a release", mend=_MEND)
    return str(parts[0]), str(parts[1])

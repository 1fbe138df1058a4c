"""How far what runs is behind what a ref says: looked at from outside, by the records that the supervisor keeps."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import Digest, short
from shipway.operate._process import control_process
from shipway.operate._supervisor import ENDPOINT
from shipway.store import Store

LOOK_SECONDS = 0.2
SAY_SECONDS = 5.0  # a person who waits is told this often that it goes on


@dataclass(frozen=True, slots=True)
class Standing:
    """What serves a ref now. deployment: the one that answers (None: none); workers: its processes; problem: why the wanted
    one does not start, None when nothing is wrong; controlled: whether an `up` runs that would bring it there.
    """

    ref: str
    wanted: Digest
    deployment: Digest | None
    release: Digest | None
    url: str | None
    workers: int
    problem: str | None
    controlled: bool

    @property
    def live(self) -> bool:
        """Whether the wanted deployment answers."""
        return self.controlled and self.deployment == self.wanted and self.workers > 0

    def to_json(self) -> JsonObject:
        return {
            "live": self.live,
            "deployment": self.deployment,
            "release": self.release,
            "url": self.url,
            "workers": self.workers,
            "problem": self.problem,
        }


def standing_of(store: Store, ref: str, wanted: Digest) -> Standing:
    """What serves a ref, against the deployment that should; changes nothing."""
    row = store.state(ENDPOINT, ref)
    value: JsonObject = row.value if row else {}
    pids = value.get("pids")

    def text(key: str) -> str | None:
        return str(value[key]) if value.get(key) else None

    deployment, release = text("deployment"), text("release")
    return Standing(
        ref=ref,
        wanted=wanted,
        deployment=Digest(deployment) if deployment else None,
        release=Digest(release) if release else None,
        url=text("url"),
        workers=len(pids) if isinstance(pids, list) else 0,
        problem=text("problem"),
        controlled=control_process(store) is not None,
    )


def wait_until_live(
    store: Store,
    ref: str,
    wanted: Digest,
    *,
    seconds: float,
    report: Callable[[str], None],
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Standing:
    """Look until the wanted deployment answers, the time is up, the ref has moved on, or `up` has ended; how it stands then.

    report: told a line when something is new, and every few seconds that it goes on.
    """
    begun, said, due = now(), "", 0.0
    while True:
        standing, gone = standing_of(store, ref, wanted), now() - begun
        present = store.ref(ref)
        moved_on = present is None or present.digest != wanted
        if standing.live or not standing.controlled or moved_on or gone >= seconds:
            return standing
        text = _words(standing)
        if text != said or gone >= due:
            report(f"{ref}: {text} ({gone:.0f} s)")
            said, due = text, gone + SAY_SECONDS
        sleep(LOOK_SECONDS)


def _words(standing: Standing) -> str:
    if standing.problem:
        return standing.problem
    if standing.release is None:
        return "starting, nothing answers yet"
    return f"starting, {short(standing.release)} still answers at {standing.url}"

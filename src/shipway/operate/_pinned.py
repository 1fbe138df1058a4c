"""One deployment served as it is until the end of the process: what a container does. No ref is followed, none is named."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from shipway.gate import arms_in
from shipway.kernel.digest import Digest, short
from shipway.kernel.errors import ShipwayError
from shipway.kernel.split import LIVE
from shipway.operate._apart import ArmsApart
from shipway.operate._control import SHARE_SECONDS, gather
from shipway.operate._group import LOOPBACK, Group
from shipway.operate._serving import prepare_apart, prepare_serving
from shipway.store import Store

_TURN_SECONDS = 0.5  # a worker that died is noticed this soon
_START_SECONDS = 3600.0  # what watches a container (targets.start) ends it long before


def serve_pinned(
    store: Store,
    ref: str,
    deployment: Digest,
    *,
    cache: Path,
    environ: Mapping[str, str],
    secrets: Mapping[str, str],
    report: Callable[[str], None],
    stop: threading.Event,
    port: int,
    host: str = LOOPBACK,
    grpc_port: int | None = None,
    log: bool = True,
    release: Digest | None = None,
    arms: bool = False,
) -> str | None:
    """Serve until told to stop, then drain; where gRPC was answered.

    grpc_port: as in Group; environ, secrets: as in Supervisor; log: whether predictions are recorded; release: of the
    deployment's, alone and under the name of its arm, where a mesh or load balancer splits; otherwise the live one; arms:
    whether the others of the deployment answer here beside it.

    What was recorded goes to the team's bucket, where objects are in one: the disk of a container ends with it.

    Raises what keeps it from starting or from replacing a worker that died (NotServable, EnvironmentFailed, PredictorFailed,
    PortTaken): whoever started this process starts it again.
    """
    names = {found: arm for arm, found in reversed(arms_in(store.get(deployment, "deployment")))}
    arm = names.get(release, LIVE) if release else LIVE
    apart_by_name = prepare_apart(store, ref, deployment, cache=cache, report=report) if arms else {}
    file = _log_file(store, ref, deployment)
    apart = ArmsApart(ref, deployment, apart_by_name, log=file, environ=environ, report=report)
    urls = apart.urls if arms else None
    serving = prepare_serving(store, ref, deployment, cache=cache, report=report, log=log, arm=arm, apart=urls)
    serving = replace(serving, ready_seconds=_START_SECONDS)
    group = Group(ref, port, file, environ, secrets, host, grpc_port)
    logs = _Logs(store, report) if log and store.objects.bucket is not None else None
    try:
        apart.step()
        group.switch(serving, stop)
        if stop.is_set():
            return None
        report(f"{ref} serves {short(serving.release)} at {group.told}")
        for name, problem in group.workers[0].problems.items():
            report(f"{ref}: arm {name} does not answer, and live does instead: {problem}")
        _keep(group, apart, logs, report, stop)
    finally:
        group.stop()
        apart.stop()
        if logs:
            logs.send()
    return group.grpc


def _keep(group: Group, apart: ArmsApart, logs: _Logs | None, report: Callable[[str], None], stop: threading.Event) -> None:
    """Replace what dies, and send logs, until told to stop."""
    while not stop.wait(_TURN_SECONDS):
        if replaced := group.replace_dead(stop):
            report(f"{group.ref}: {replaced} predictor died and was replaced ({group.why})")
        apart.step()
        if logs:
            logs.step()


def _log_file(store: Store, ref: str, deployment: Digest) -> Path:
    folder = store.root / "serving"
    folder.mkdir(exist_ok=True)
    return folder / f"{ref.removeprefix('deploy/').replace('/', '-')}.{short(deployment)}.log"


class _Logs:
    """Brings to the bucket what predictors have recorded. A fault is told once and tried again: serving goes on."""

    def __init__(self, store: Store, report: Callable[[str], None]) -> None:
        self._store, self._report = store, report
        self._next, self._told = time.monotonic() + SHARE_SECONDS, ""

    def step(self) -> None:
        if time.monotonic() >= self._next:
            self.send()
            self._next = time.monotonic() + SHARE_SECONDS

    def send(self) -> None:
        try:
            gather(self._store)
        except Exception as problem:
            said = f"logs: {problem.what if isinstance(problem, ShipwayError) else problem}"
            if said != self._told:
                self._report(said)
            self._told = said
        else:
            self._told = ""

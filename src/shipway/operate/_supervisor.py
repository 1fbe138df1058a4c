"""Keeps the predictors that the refs ask for: one step looks at what is desired and what runs, and acts on the difference."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.digest import Digest, short
from shipway.kernel.errors import ShipwayError
from shipway.operate._apart import ArmsApart
from shipway.operate._group import LOOPBACK, Group, PredictorFailed
from shipway.operate._reconcile import Start, Stop, reconcile
from shipway.operate._serve import Serving
from shipway.operate._serving import prepare_apart, prepare_serving
from shipway.store import Store

ENDPOINT = "endpoint"  # state rows: where a ref is served, by ref
_NOTHING = Digest("")  # what runs behind an address whose first release did not start
KEEP_SECONDS = 60.0  # copies of a bucket's objects go when nobody has used them for a day, or by hand
RETRY_SECONDS = 5.0  # a release that does not start is tried again this often; what ran before goes on meanwhile


class Supervisor:
    """The worker groups of one project. ports: wanted port by ref; report: told one line for every change; secrets: where a
    gateway's process gets the variables from that its deployment names, and no others; host: what the ports are bound at;
    grpc_port: as in Group. `grpc` says where it is answered, by ref, also after the end.
    """

    def __init__(
        self,
        store: Store,
        *,
        cache: Path,
        environ: Mapping[str, str],
        report: Callable[[str], None],
        ports: Callable[[str], int] = lambda _: 0,
        only: str | None = None,
        secrets: Mapping[str, str] | None = None,
        host: str = LOOPBACK,
        grpc_port: int | None = None,
    ) -> None:
        self._store, self._cache, self._environ, self._report = store, cache, environ, report
        self._ports, self._only, self._secrets, self._host = ports, only, secrets or {}, host
        self._grpc_port = grpc_port
        self.grpc: dict[str, str] = {}
        self._groups: dict[str, Group] = {}
        self._apart: list[tuple[str, ArmsApart]] = []  # of deployments that answer, stand aside or drain
        self._retired: list[ArmsApart] = []
        self._kept = time.monotonic()
        self._failed: dict[tuple[str, Digest], float] = {}  # when to try again what did not start, by ref and deployment

    def step(self, stop: threading.Event | None = None) -> None:
        """One look and what follows from it; safe to repeat at any time. Never raises for a release that does not start.

        stop: once it is set, no process that starts is waited for any more, and `close` should follow.
        """
        desired = self._desired()
        live = {ref: group.serving.deployment if group.serving else _NOTHING for ref, group in self._groups.items()}
        for action in reconcile(desired, live):
            if isinstance(action, Stop):
                self._stop(action.ref)
            else:
                self._start(action, stop)
        if stop and stop.is_set():
            return
        self._keep_files()
        for ref, group in self._groups.items():
            self._mend(ref, group, stop)
            self._settle(ref, group, desired[ref])
            group.tidy()
        self._step_arms(stop)

    def drain(self) -> None:
        """Ask all that answer at an address of ours to finish what they have and end; from any thread. `close` waits for it."""
        for group in list(self._groups.values()):
            group.drain()

    def kill(self) -> None:
        """End every process at once, from any thread: for the end of one that has waited long enough for `close`."""
        for group in list(self._groups.values()):
            group.kill()
        for apart in self._arms():
            apart.kill()

    def close(self) -> None:
        """Drain and end them all, side by side; arms that answer in processes of their own after those that may ask them."""
        self.drain()
        for ref in list(self._groups):
            self._stop(ref)
        for apart in self._arms():
            apart.drain()
        for apart in self._arms():
            apart.stop()
        self._apart, self._retired = [], []

    def _arms(self) -> list[ArmsApart]:
        return [*(apart for _, apart in self._apart), *self._retired]

    def _desired(self) -> dict[str, Digest]:
        return {ref.name: ref.digest for ref in self._store.refs("deploy/") if self._only in (None, ref.name)}

    def _start(self, action: Start, stop: threading.Event | None) -> None:
        if self._waits(action.ref, action.deployment) or (stop and stop.is_set()):
            return
        group = self._groups.get(action.ref)
        try:
            if group is None or not group.switch_back(action.deployment):
                serving = self._prepared(action, stop)
                group = group or self._open(action.ref)
                group.switch(serving, stop)
                if stop and stop.is_set():
                    return  # what has not said that it is ready serves nothing
        except ShipwayError as problem:
            self._fail(action.ref, action.deployment, problem)
            return
        except OSError as problem:  # no space, no more files: of this deployment, not of the others
            self._fail(action.ref, action.deployment, PredictorFailed(f"cannot serve {action.ref}: {problem}"))
            return
        self._forget(action.ref)
        self._note(action.ref, group, None)
        release = group.serving.release if group.serving else action.deployment
        self._report(f"{action.ref} serves {short(release)} at {group.told}")

    def _prepared(self, action: Start, stop: threading.Event | None) -> Serving:
        """What serves the live release, once the arms that have processes of their own run, or do not."""
        store, ref, deployment = self._store, action.ref, action.deployment
        arms = prepare_apart(store, ref, deployment, cache=self._cache, report=self._report)
        urls: dict[str, str] = {}
        if arms:
            log = self._log_of(f"{ref}.arms")
            apart = ArmsApart(ref, deployment, arms, log=log, environ=self._environ, report=self._report)
            self._apart.append((ref, apart))
            apart.step(stop)
            urls = apart.urls
        return prepare_serving(store, ref, deployment, cache=self._cache, report=self._report, apart=urls)

    def _open(self, ref: str) -> Group:
        log, where = self._log_of(ref), (self._host, self._grpc_port)
        group = self._groups[ref] = Group(ref, self._ports(ref), log, self._environ, self._secrets, *where)
        return group

    def _log_of(self, ref: str) -> Path:
        folder = self._store.root / "serving"
        folder.mkdir(exist_ok=True)
        return folder / (ref.removeprefix("deploy/").replace("/", "-") + ".log")

    def _step_arms(self, stop: threading.Event | None) -> None:
        """Arms live as long as a worker that may ask them."""
        for ref, apart in list(self._apart):
            group = self._groups.get(ref)
            if group is None or apart.deployment not in group.deployments():
                self._apart.remove((ref, apart))
                self._retired.append(apart)
                apart.retire()
            elif apart.step(stop):
                self._note(ref, group, None)
        self._retired = [apart for apart in self._retired if not apart.gone()]

    def _arm_problems(self, ref: str, group: Group) -> dict[str, str]:
        """Why arms of what answers now do not, by name."""
        found = {arm: text for worker in group.workers for arm, text in worker.problems.items()}
        for name, apart in self._apart:
            if name == ref and group.serving and apart.deployment == group.serving.deployment:
                found |= apart.problems
        return found

    def _keep_files(self) -> None:
        """What a worker reads when it starts is here, and used: one that died is replaced long after the first had read it."""
        if self._store.objects.bucket is None or time.monotonic() < self._kept + KEEP_SECONDS:
            return
        self._kept = time.monotonic()
        for group in self._groups.values():
            for digest in group.serving.files if group.serving else ():
                with suppress(ShipwayError, OSError):  # a worker that misses it will tell
                    self._store.objects.path(digest)

    def _mend(self, ref: str, group: Group, stop: threading.Event | None) -> None:
        """A new worker for each that died."""
        if group.serving is None or self._waits(ref, group.serving.deployment):
            return
        try:
            replaced = group.replace_dead(stop)
        except ShipwayError as problem:
            self._fail(ref, group.serving.deployment, problem)
            return
        if replaced:
            self._report(f"{ref}: {replaced} predictor died and was replaced ({group.why})")
            self._failed.pop((ref, group.serving.deployment), None)
            self._note(ref, group, None)

    def _settle(self, ref: str, group: Group, desired: Digest) -> None:
        """When what runs is what is wanted, what did not start is no problem any more."""
        if group.serving and group.serving.deployment == desired and self._forget(ref, but=desired):
            self._note(ref, group, None)

    def _waits(self, ref: str, deployment: Digest) -> bool:
        """Whether this deployment failed here a moment ago."""
        return time.monotonic() < self._failed.get((ref, deployment), 0.0)

    def _fail(self, ref: str, deployment: Digest, problem: ShipwayError) -> None:
        self._failed[ref, deployment] = time.monotonic() + RETRY_SECONDS
        self._note(ref, self._groups.get(ref), problem)

    def _forget(self, ref: str, *, but: Digest = _NOTHING) -> bool:
        """Forget what failed at a ref, one deployment excepted; whether there was anything."""
        gone = [key for key in self._failed if key[0] == ref and key[1] != but]
        for key in gone:
            del self._failed[key]
        return bool(gone)

    def _stop(self, ref: str) -> None:
        try:
            self._groups[ref].stop()
        finally:
            del self._groups[ref]  # not before: `kill` must find it
        self._forget(ref)
        self._store.delete_state(ENDPOINT, ref)

    def _note(self, ref: str, group: Group | None, problem: ShipwayError | None) -> None:
        serving: Serving | None = group.serving if group else None
        value: JsonObject = {
            "url": group.url if group and group.workers else None,
            "deployment": serving.deployment if serving else None,
            "release": serving.release if serving else None,
            "pids": [worker.process.pid for worker in group.workers] if group else [],
            "problem": f"{problem.what} ({problem.where})" if problem else None,
        }
        if group and group.grpc:
            value = {**value, "grpc": group.grpc}
            self.grpc[ref] = group.grpc
        if group and (arms := self._arm_problems(ref, group)):
            value = {**value, "arms": dict[str, Json](arms)}
        self._store.put_state(ENDPOINT, ref, value)
        if problem:
            self._report(f"{ref}: {problem.what}")

"""The worker group of one ref: processes that share one listening socket, so that a new release takes over without a gap."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from shipway.kernel.canonical import parse_object
from shipway.kernel.digest import Digest
from shipway.kernel.errors import ShipwayError
from shipway.operate._ends import Deaths, reasons
from shipway.operate._serve import Serving

LOOPBACK = "127.0.0.1"
_LOOK_SECONDS = 0.5  # whoever waits for a worker learns this soon that it shall stop
WARM_SECONDS = 3600.0  # what answered before stays loaded so long, and is there at once; one such a group, for its memory
_TURN_SECONDS = 1.0  # a process that does not step aside in this time hangs; one that does not come back is started anew
_GRPC_BEYOND, _PORTS = 1000, 65_536
_EVERYWHERE = "0.0.0.0"  # noqa: S104 - only compared with


class PredictorFailed(ShipwayError):
    """A predictor process ended or was not ready in time; what ran before goes on."""

    code = "operate.predictor-failed"


class PortTaken(ShipwayError):
    """An address that others are told of cannot be bound, and another one would not be found by them."""

    code = "operate.port-taken"


def bind_port(port: int, *, host: str = LOOPBACK, exact: bool = False, listen: bool = True) -> socket.socket:
    """A socket that listens, or refuses until a process of ours does; on loopback at any free port when that one is taken,
    unless it is to be exact. Raises PortTaken.
    """
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError as problem:
        if exact or host != LOOPBACK:
            sock.close()
            raise PortTaken(f"cannot listen at {host}:{port}: {problem.strerror}", mend="another host or port") from problem
        sock.bind((host, 0))
    if listen:
        sock.listen(1024)
    return sock


class Worker:
    """One predictor process."""

    def __init__(
        self,
        serving: Serving,
        sock: socket.socket,
        log: Path,
        environ: Mapping[str, str],
        beside: str | None = None,
        second: socket.socket | None = None,
    ) -> None:
        self.serving, self._log = serving, log
        reader, writer = os.pipe()
        options: dict[str, object] = {"--fd": sock.fileno(), "--ready-fd": writer, "--die-with-parent": os.getpid()}
        if beside:
            options["--beside"] = beside
        self._turns: socket.socket | None
        self._turns, theirs = socket.socketpair() if serving.returns else (None, None)
        if theirs:
            options["--turn-fd"] = theirs.fileno()
        if second:
            options["--grpc-fd"] = second.fileno()
        command = [*serving.command, *(str(part) for pair in options.items() for part in pair)]
        try:
            with log.open("ab") as out:
                self.process = subprocess.Popen(
                    command,
                    pass_fds=(sock.fileno(), writer, *(more.fileno() for more in (theirs, second) if more)),
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    env=dict(environ),
                )
        except OSError as problem:
            os.close(reader)
            if self._turns:
                self._turns.close()
            raise PredictorFailed(f"a predictor of {serving.ref} did not start: {problem}", where=str(log)) from problem
        finally:
            os.close(writer)
            if theirs:
                theirs.close()
        if serving.nice:
            with suppress(OSError):  # it has ended already
                os.setpriority(os.PRIO_PROCESS, self.process.pid, serving.nice)
        self._started = time.monotonic()
        self._ready: int | None = reader
        self.problems: dict[str, str] = {}  # of arms that it could not load, by name

    def wait_ready(self, stop: threading.Event | None = None) -> None:
        """Return when the golden rows reproduced and it accepts requests, or when it shall stop. Raises PredictorFailed."""
        try:
            problem = self._problem(stop)
            if problem:
                self.kill()
                raise PredictorFailed(f"a predictor of {self.serving.ref} did not start: {problem}", where=str(self._log))
        finally:
            self._forget()

    def running(self) -> bool:
        if self.process.poll() is None:
            return True
        if self._turns:
            self._turns.close()
        return False

    def step_aside(self) -> None:
        """Ask it to answer what it has, take nothing new and stay as it is."""
        assert self._turns is not None
        with suppress(OSError):  # it has died, which is noticed elsewhere
            self._turns.send(b"aside\n")

    def wait_aside(self) -> None:
        """Return when it takes nothing new; of one that hangs, when the time is up: it takes nothing either."""
        self._hears(b"aside\n")

    def come_back(self) -> bool:
        """Whether it takes requests again."""
        assert self._turns is not None
        try:
            self._turns.send(b"back\n")
        except OSError:
            return False
        return self._hears(b"back\n")

    def _hears(self, word: bytes) -> bool:
        """Whether it says the word in time; what it said late about the turn before is passed over."""
        assert self._turns is not None
        said = b""
        try:
            self._turns.settimeout(_TURN_SECONDS)
            while not said.endswith(word):
                more = self._turns.recv(64)
                if not more:
                    return False
                said += more
        except OSError:
            return False
        return True

    def drain(self) -> None:
        """Ask it to finish what it has and end."""
        if self.running():
            self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self._forget()
        if self._turns:
            self._turns.close()
        if self.running():
            self.process.kill()
        self.process.wait()

    def finish(self, begun: float) -> None:
        """Wait until it has drained since `begun` (of time.monotonic); kill it when it does not in its time."""
        try:
            self.process.wait(timeout=max(0.0, begun + self.serving.drain_seconds - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.kill()
        if self._turns:
            self._turns.close()

    def _problem(self, stop: threading.Event | None) -> str:
        """What keeps it from serving, once it has said so or the time is up; empty when it is ready, or when it shall stop."""
        assert self._ready is not None
        found: list[int] = []
        while not found and (left := self.serving.ready_seconds - (time.monotonic() - self._started)) > 0:
            if stop and stop.is_set():
                return ""
            found, _, _ = select.select([self._ready], [], [], min(left, _LOOK_SECONDS))
        if not found:
            return f"it was not ready after {self.serving.ready_seconds:.0f} s"
        said = os.read(self._ready, 1 << 16)
        if said:
            problems = parse_object(said).get("problems")
            self.problems = {arm: str(text) for arm, text in problems.items()} if isinstance(problems, Mapping) else {}
        return _problem(said) if said else self._tail()

    def _forget(self) -> None:
        """Close the pipe on which it says that it is ready."""
        if self._ready is not None:
            os.close(self._ready)
            self._ready = None

    def _tail(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return lines[-1][-300:] if lines else f"it ended with {self.process.poll()}"


class Group:
    """All workers of one ref behind one address; where another host than loopback is meant, `url` is that of this machine.

    grpc_port: the second port, for gRPC; None: the first and a thousand, where the deployment wants one.
    """

    def __init__(
        self,
        ref: str,
        port: int,
        log: Path,
        environ: Mapping[str, str],
        secrets: Mapping[str, str],
        host: str = LOOPBACK,
        grpc_port: int | None = None,
        *,
        listen: bool = True,
    ) -> None:
        """listen: whether callers wait for the first worker; otherwise they are refused until there is one."""
        self.ref, self._log, self._environ, self._secrets = ref, log, environ, secrets
        self._host, self._grpc_port = host, grpc_port
        self._socket = bind_port(port, host=host, listen=listen)
        self._second: socket.socket | None = None  # once something is served that answers gRPC
        self.grpc: str | None = None
        """Where gRPC is answered, as `HOST:PORT` of this machine."""
        self._pages: tempfile.TemporaryDirectory[str] | None = None  # of metrics, once there are several workers
        self.workers: list[Worker] = []
        self._leaving: list[Worker] = []
        self._warm: list[Worker] = []  # those of the deployment before, which stand aside
        self._warm_until = 0.0
        self._deaths = Deaths()
        self.why = ""  # those that were replaced last had ended
        self._begun: float | None = None  # when all were asked to end

    @property
    def url(self) -> str:
        host, port = self._socket.getsockname()[:2]
        return f"http://{LOOPBACK if host == _EVERYWHERE else host}:{port}"

    @property
    def told(self) -> str:
        """Where it answers, in words."""
        return f"{self.url}, gRPC at {self.grpc}" if self.grpc else self.url

    @property
    def serving(self) -> Serving | None:
        return self.workers[0].serving if self.workers else None

    def switch(self, serving: Serving, stop: threading.Event | None = None) -> None:
        """Start the new workers beside the old; when all are ready the old ones stand aside, or drain if they cannot. Raises
        PredictorFailed, old kept.

        stop: once it is set, nobody is waited for any more.
        """
        fresh: list[Worker] = []
        try:
            for _ in range(serving.workers):
                fresh.append(self._spawn(serving))
            for worker in fresh:
                worker.wait_ready(stop)
        except BaseException:
            for worker in fresh:
                worker.kill()
            raise
        self._take_over(fresh)

    def switch_back(self, deployment: Digest) -> bool:
        """Whether the workers that stood aside are of this deployment and have taken over again."""
        back = self._warm
        if not back or back[0].serving.deployment != deployment or not all(worker.running() for worker in back):
            return False
        if not all(worker.come_back() for worker in back):
            self._let_go()
            return False
        self._warm = []
        self._take_over(back)
        return True

    def tidy(self) -> None:
        """End what stood aside for long enough, or not whole any more."""
        if self._warm and (time.monotonic() >= self._warm_until or not all(worker.running() for worker in self._warm)):
            self._let_go()

    def _take_over(self, fresh: list[Worker]) -> None:
        self._let_go()
        self._socket.listen(1024)  # which some do from the beginning, and some not before somebody answers
        old, self.workers = self.workers, fresh
        if old and old[0].serving.returns and all(worker.running() for worker in old):
            self._warm, self._warm_until = old, time.monotonic() + WARM_SECONDS
            for worker in old:
                worker.step_aside()
            for worker in old:  # whoever asks after a move is answered by what it moved to
                worker.wait_aside()
        else:
            self._leave(old)

    def _let_go(self) -> None:
        self._leave(self._warm)
        self._warm = []

    def _leave(self, workers: list[Worker]) -> None:
        for worker in workers:
            worker.drain()
        self._leaving = [*(worker for worker in self._leaving if worker.running()), *workers]

    def replace_dead(self, stop: threading.Event | None = None) -> int:
        """Start a new worker for each that died; how many, and `why`. stop: as in `switch`.

        Raises PredictorFailed, also when too many have died in the last minute.
        """
        dead, now = [worker for worker in self.workers if not worker.running()], time.monotonic()
        if not dead or (stop and stop.is_set()):
            return 0
        self.why = reasons(worker.process.returncode for worker in dead)
        if self._deaths.too_many(len(self.workers), now):
            what = f"predictors of {self.ref} die again and again ({self.why}): the next is started in a minute"
            raise PredictorFailed(what, where=str(self._log))
        self._deaths.add(len(dead), now)
        for worker in dead:
            fresh = self._spawn(worker.serving)
            fresh.wait_ready(stop)
            self.workers[self.workers.index(worker)] = fresh
        return len(dead)

    def deployments(self) -> set[Digest]:
        """Those of which a worker answers, stands aside or drains."""
        self._leaving = [worker for worker in self._leaving if worker.running()]
        return {worker.serving.deployment for worker in (*self.workers, *self._warm, *self._leaving)}

    def retire(self) -> None:
        """Close the address and ask all to end; `deployments` is empty once they have."""
        self._let_go()
        self._leave(self.workers)
        self.workers = []
        self._socket.close()

    def drain(self) -> None:
        """Ask all to finish what they have and end; from any thread, as often as one likes."""
        for worker in (*self.workers, *self._warm, *self._leaving):
            worker.drain()
        self._begun = self._begun or time.monotonic()

    def kill(self) -> None:
        """End all at once; from any thread."""
        for worker in (*self.workers, *self._warm, *self._leaving):
            with suppress(OSError):
                worker.process.kill()

    def stop(self) -> None:
        """Drain all and close the address. Their time counts from when they were first asked: they drain side by side."""
        self.drain()
        self._let_go()
        begun = self._begun or time.monotonic()
        for worker in (*self.workers, *self._leaving):
            worker.finish(begun)
        self._socket.close()
        if self._second:
            self._second.close()
        if self._pages:
            self._pages.cleanup()

    def _spawn(self, serving: Serving) -> Worker:
        named = {name: self._secrets[name] for name in serving.secrets if name in self._secrets}
        if serving.workers > 1 and self._pages is None:
            self._pages = tempfile.TemporaryDirectory(prefix="shipway-pages-")
        beside = self._pages.name if self._pages else None
        named["SHIPWAY_REPLACED"] = str(self._deaths.total)
        return Worker(serving, self._socket, self._log, {**self._environ, **named}, beside, self._for_grpc(serving))

    def _for_grpc(self, serving: Serving) -> socket.socket | None:
        """The second socket, where this one answers gRPC and somebody wants it. Raises PortTaken."""
        if serving.grpc is None or not (serving.grpc or self._grpc_port is not None):
            return None
        if self._second is None:
            own = int(self._socket.getsockname()[1]) + _GRPC_BEYOND
            port = self._grpc_port if self._grpc_port is not None else own if own < _PORTS else 0
            self._second = bind_port(port, host=self._host)
            self.grpc = f"{LOOPBACK if self._host == _EVERYWHERE else self._host}:{self._second.getsockname()[1]}"
        return self._second


def _problem(said: bytes) -> str:
    """What a predictor that is not ready says of itself; empty when it is ready."""
    record = parse_object(said)
    if record.get("ready") is True:
        return ""
    error = record.get("error")
    return str(error.get("what")) if isinstance(error, Mapping) else "it is not ready"

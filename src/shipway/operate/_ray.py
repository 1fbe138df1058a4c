"""Ray as workers: a cluster that is there, or one of this machine that lives as long as the command.

No code travels: a task names a function of Shipway, which is installed where it runs. Ray is imported when it is first
asked for and reports usage to nobody. A cluster of its own listens on loopback only, and asks for a token that no file holds.
"""

from __future__ import annotations

import os
import secrets
import socket
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any, cast

from shipway.kernel.errors import ShipwayError
from shipway.kernel.workers import AHEAD, Part, Result, in_order

WAIT = 10.0  # seconds that a cluster has to answer
RETRIES = 3  # of a part whose worker died
# A part is the work of one core. A worker keeps a part's memory for the next: glibc by itself gives arrays of megabytes
# back after each, and to take them anew page by page is a third of a part's time (malloc(3); more than 32 MiB it ignores).
_WORKER = {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
_WORKER |= {"MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(256 << 20)}
# What HTTP/2 begins with, and an empty SETTINGS frame: the answer is one as well, or this is no cluster.
_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04" + bytes(5)
_SETTINGS = 4


class RayMissing(ShipwayError):
    """Ray is asked for and not installed."""

    code = "operate.ray-missing"


class RayUnreachable(ShipwayError):
    """No Ray cluster answers at the address. The same call may succeed later."""

    code = "operate.ray-unreachable"
    retry = True


class RayFailed(ShipwayError):
    """A part failed on Ray, or its workers died again and again."""

    code = "operate.ray-failed"


class RayWorkers:
    """Workers on the cluster that this process is connected to (open_ray)."""

    def __init__(self, ray: Any, count: int) -> None:
        self._ray, self._count = ray, count

    def map(self, work: Callable[[Part], Result], parts: Iterable[Part]) -> Iterator[Result]:
        """As Workers.map. A part whose worker died is done again. Raises RayFailed, and ShipwayErrors of work as they are."""
        # not retry_exceptions: what work raises it would raise again
        task = self._ray.remote(num_cpus=1, max_retries=RETRIES, retry_exceptions=False)(_call)
        shared = self._ray.put(work)
        return in_order(lambda part: self._waiting(task.remote(shared, part)), parts, ahead=AHEAD * self._count)

    def _waiting(self, reference: Any) -> Callable[[], Any]:
        return lambda: self._get(reference)

    def _get(self, reference: Any) -> Any:
        failures = self._ray.exceptions
        try:
            return self._ray.get(reference)
        except failures.RayTaskError as problem:
            cause = problem.cause
            if isinstance(cause, ShipwayError):
                raise cause from None
            what = f"a part failed on Ray: {type(cause).__name__}: {str(cause).partition(chr(10))[0][:200]}"
            raise RayFailed(what, mend="try it with --on here, which shows where") from problem
        except failures.WorkerCrashedError as problem:
            what = f"the workers of a part died {RETRIES + 1} times"
            raise RayFailed(what, where="Ray", mend="look at the cluster's memory and logs, or try --on here") from problem
        except failures.RayError as problem:
            raise RayFailed(
                f"Ray gave a part up: {_line(problem)}", where="Ray", mend="look at the cluster's logs"
            ) from problem


def _call(work: Callable[[Part], Result], part: Part) -> Result:
    """What a task runs."""
    return work(part)


@contextmanager
def open_ray(environ: Mapping[str, str], *, count: int, wait: float = WAIT) -> Iterator[RayWorkers]:
    """Workers on the cluster at $RAY_ADDRESS (`host:port`, `ray://host:port`, `auto`), else on one of `count` workers here.

    Raises RayMissing, RayUnreachable.
    """
    address = environ.get("RAY_ADDRESS", "").strip()
    here = address in ("", "local")
    if not here and address != "auto":
        _probe(address, environ, wait)
    with _lent(_only_here() if here else {}):
        ray = _import()
        try:
            if here:
                ray.init("local", num_cpus=count, include_dashboard=False, **_QUIET)
            else:
                ray.init(address, runtime_env={"env_vars": _WORKER}, **_QUIET)
        except (ConnectionError, RuntimeError, ValueError, OSError, TimeoutError) as problem:
            raise _unreachable(address or "this machine", _line(problem)) from problem
        try:
            yield RayWorkers(ray, max(1, int(cast("float", ray.cluster_resources().get("CPU", count)))))
        finally:
            ray.shutdown()


_QUIET: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": False}


def _import() -> Any:
    try:
        import ray
    except ImportError as problem:
        raise RayMissing("Ray is not installed", where="--on ray", mend="pip install 'shipway[ray]'") from problem
    return ray


@cache
def _only_here() -> dict[str, str]:
    """What a cluster of our own inherits: its servers on loopback, a token, and what each worker is told.

    Ray reads these once, when it is imported: the token is that of the process, and a program that had imported Ray before has
    set it up its own way.
    """
    if "ray" in sys.modules:
        return _WORKER
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    # Ray's word for 127.0.0.1 throughout, on Linux too
    return {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"} | token | _WORKER


@contextmanager
def _lent(variables: Mapping[str, str]) -> Iterator[None]:
    """Ray is told by variables only; they are taken back, so that no other child of this process has them."""
    given = {"RAY_USAGE_STATS_ENABLED": "0", **variables}
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _probe(address: str, environ: Mapping[str, str], wait: float) -> None:
    """Ray itself waits minutes for an address where nobody answers. Raises RayUnreachable within `wait` seconds."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        raise _unreachable(address, "an address is host:port, ray://host:port or auto")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=wait) as link:
            if environ.get("RAY_USE_TLS", "0") != "0":
                return
            link.sendall(_HELLO)
            answer = link.recv(9)
    except (OSError, OverflowError) as problem:
        raise _unreachable(address, _line(problem)) from problem
    if len(answer) < 4 or answer[3] != _SETTINGS:
        raise _unreachable(address, "what answers there is no Ray")


def _unreachable(address: str, why: str) -> RayUnreachable:
    return RayUnreachable(
        f"no Ray cluster answers: {why}", where=address, mend="correct RAY_ADDRESS, or unset it for a cluster here"
    )


def _line(problem: BaseException) -> str:
    return (str(problem) or type(problem).__name__).partition("\n")[0][:200]

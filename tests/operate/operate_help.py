"""What the tests of this room share: deployments of the small project, clients that never stop, and a look at processes."""

from __future__ import annotations

import http.client
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from shipway.environment import default_cache
from shipway.gate import Moved, move_ref
from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import Descriptor, Digest
from shipway.operate import ENDPOINT, Supervisor
from shipway.release import AskedArm, deployment_object, load_components, plan_split, put_release
from shipway.spec import DeploySpec

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))

from cli_project import REF, Project

__all__ = [
    "REF",
    "Load",
    "Project",
    "ask",
    "descendants",
    "endpoint",
    "infer",
    "move",
    "move_arms",
    "releases",
    "runs",
    "supervising",
    "wait_for",
]

INPUTS = [
    {"name": "x", "shape": [2], "datatype": "FP64", "data": [0.0, 1.0]},
    {"name": "y", "shape": [2], "datatype": "FP64", "data": [1.0, 0.0]},
    {"name": "point", "shape": [2], "datatype": "BYTES", "data": ["a", "b"]},
    {"name": "day", "shape": [2], "datatype": "BYTES", "data": ["2020-02-01", "2020-02-01"]},
]
BODY = json.dumps({"inputs": INPUTS}).encode()


def releases(project: Project) -> tuple[Digest, Digest]:
    """Two releases that answer alike: a deployment cannot tell them apart but by their digests."""
    first = project.store.resolve("release/line")
    return first, put_release(project.store, [part for part in load_components(project.store, first) if part.kind != "profile"])


def move(project: Project, release: Digest, *, workers: int = 1) -> Moved:
    """By the default policy, which asks nothing: gates have their own tests."""
    deploy = DeploySpec(name="line@prod", application="line", environment="prod", workers=workers)
    target = project.store.put(deployment_object(project.store, release, deploy, project.spec.outcomes))
    return move_ref(project.store, project.keys, project.actor, ref=REF, target=target)


def move_arms(project: Project, live: Digest, *arms: AskedArm) -> None:
    """The same with arms, whose units are users."""
    store, deploy = project.store, DeploySpec(name="line@prod", application="line", environment="prod", unit="header:x-user")
    present = store.ref(REF)
    split = plan_split(store, deploy, arms, live=live, source=present.digest if present else None)
    target = store.put(deployment_object(store, live, deploy, project.spec.outcomes, split=split))
    move_ref(store, project.keys, project.actor, ref=REF, target=target)


def ask(url: str, user: int) -> dict[str, str]:
    """The headers of an answer to a user."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
    try:
        connection.request("POST", "/v2/models/above/infer", BODY, {"x-user": str(user)})
        response = connection.getresponse()
        text = response.read()
        assert response.status == 200, text
        assert json.loads(text)["outputs"]
        return {name.lower(): value for name, value in response.getheaders()}
    finally:
        connection.close()


def endpoint(project: Project) -> JsonObject:
    """What the supervisor says of the deployment."""
    row = project.store.state(ENDPOINT, REF)
    return row.value if row else {}


@contextmanager
def supervising(project: Project, said: list[str] | None = None) -> Iterator[Supervisor]:
    """A supervisor whose steps the test takes; its predictors end with it."""
    report = (said if said is not None else []).append
    environ = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    found = Supervisor(project.store, cache=default_cache(), environ=environ, report=report)
    try:
        yield found
    finally:
        found.close()


def infer(url: str, *, timeout: float = 120) -> str:
    """The release that answered."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=timeout)
    try:
        connection.request("POST", "/v2/models/above/infer", BODY)
        response = connection.getresponse()
        text = response.read()
        assert response.status == 200, text
        return str(json.loads(text)["parameters"]["release"])
    finally:
        connection.close()


class Load:
    """Clients that ask one request after another until the end of the block, each on a connection of its own; keeping: others
    that stay on theirs as long as the server does not say that it ends. No request is tried again.
    """

    def __init__(self, url: str, *, clients: int = 3, keeping: int = 0) -> None:
        self.answers: list[str] = []
        self.failures: list[str] = []
        self._url, self._stop = url, threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(clients)]
        self._threads += [threading.Thread(target=self._keep_asking, args=(number,)) for number in range(keeping)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        while not self._stop.is_set():
            try:
                self.answers.append(infer(self._url))
            except (OSError, AssertionError, http.client.HTTPException) as problem:
                self.failures.append(repr(problem))

    def _keep_asking(self, number: int) -> None:
        connection = http.client.HTTPConnection(self._url.removeprefix("http://"), timeout=120)
        while not self._stop.wait(0.002 * number):
            try:
                connection.request("POST", "/v2/models/above/infer", BODY)
                response = connection.getresponse()
                text = response.read()
                assert response.status == 200, text
                self.answers.append(str(json.loads(text)["parameters"]["release"]))
            except (OSError, AssertionError, http.client.HTTPException) as problem:
                self.failures.append(repr(problem))
                connection.close()
        connection.close()


def wait_for(condition: Callable[[], object], *, seconds: float = 60.0) -> None:
    """Until it holds; the test fails when it never does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def runs(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def descendants(pid: int) -> set[int]:
    """The processes that a process started, and those that they started."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(entry.parent.name)] = int(entry.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    found: set[int] = set()
    waiting = {pid}
    while waiting:
        waiting = {child for child, parent in parents.items() if parent in waiting} - found
        found |= waiting
    return found


def model_file(project: Project) -> Path:
    """Where the bytes of the model are."""
    manifest = project.store.get(project.store.resolve("model/above"))
    return project.store.objects.path(Descriptor.from_json(manifest["file"]).digest)

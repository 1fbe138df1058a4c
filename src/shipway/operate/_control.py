"""The control loop of `shipway up`: predictors as the refs say, logs compacted, days judged. Each turn may be the last."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from functools import cache as memo
from pathlib import Path
from typing import TYPE_CHECKING

from shipway.access import Signer
from shipway.gate import attest
from shipway.kernel import media
from shipway.kernel.canonical import JsonObject
from shipway.kernel.check import Check, Verdict
from shipway.kernel.digest import Digest
from shipway.kernel.errors import ShipwayError
from shipway.operate._group import LOOPBACK
from shipway.operate._supervisor import Supervisor
from shipway.release import find_component, load_components, monitors_of, outcomes_of, release_descriptor
from shipway.store import Store

if TYPE_CHECKING:
    from shipway.monitor import AttestChecks, Labels

TURN_SECONDS = 0.1  # a moved ref is noticed this soon; a turn without work is one read of the catalogue
COMPACT_SECONDS = 1.0
SHARE_SECONDS = 15.0  # what a container takes along that is killed with its disk
WATCH_SECONDS = 5.0


class Control:
    """One loop over one project. Run it in a thread of its own with a store of its own."""

    def __init__(self, store: Store, signer: Signer, supervisor: Supervisor, report: Callable[[str], None]) -> None:
        self._store, self._signer, self._supervisor, self._report = store, signer, supervisor, report
        self._next = {"compact": 0.0, "share": 0.0, "watch": 0.0}
        self._told: dict[str, str] = {}

    def run(self, stop: threading.Event) -> None:
        """Turn until told to stop, then stop the predictors, compact and share what they left."""
        try:
            while not stop.is_set():
                self.turn(stop)
                stop.wait(TURN_SECONDS)
        finally:
            self._supervisor.close()
            self._guard("compact", self._compact)
            self._guard("share", lambda: share(self._store))

    def turn(self, stop: threading.Event | None = None) -> None:
        """One look at everything that is due. stop: as in Supervisor.step."""
        self._guard("predictors", lambda: self._supervisor.step(stop))
        if stop and stop.is_set():
            return
        self._due("compact", COMPACT_SECONDS, self._compact)
        self._due("share", SHARE_SECONDS, lambda: share(self._store))
        self._due("watch", WATCH_SECONDS, lambda: watch_all(self._store, self._signer))

    def _compact(self) -> None:
        mistimed = compact(self._store)
        if mistimed:
            self._report(f"compact: {mistimed} predictions of an event more than a day ahead; the time they were asked counts")

    def _due(self, name: str, every: float, work: Callable[[], object]) -> None:
        if time.monotonic() >= self._next[name]:
            self._guard(name, work)
            self._next[name] = time.monotonic() + every

    def _guard(self, name: str, work: Callable[[], object]) -> None:
        """A fault of one part, a full disk among them, is told once and tried again next turn: the others go on."""
        try:
            work()
        except Exception as problem:
            said = problem.what if isinstance(problem, ShipwayError) else f"{type(problem).__name__}: {problem}"
            where = f" ({problem.where})" if isinstance(problem, ShipwayError) and problem.where else ""
            self._tell(name, f"{name}: {said}{where}")
        else:
            self._told.pop(name, None)

    def _tell(self, name: str, text: str) -> None:
        if self._told.get(name) != text:
            self._told[name] = text
            self._report(text)


def compact(store: Store) -> int:
    """Turn sealed log segments into tables; how many predictions had an event time in the future that was not believed."""
    from shipway.monitor import compact_logs

    return compact_logs(store, now=store.clock.now(), time_column=time_column_of(store)).mistimed


def share(store: Store) -> None:
    """Where a team's objects are in a bucket, its logs are there too."""
    if store.objects.bucket is not None:
        from shipway.monitor import share_logs

        share_logs(store)


def gather(store: Store) -> int:
    """The logs as far as anybody has written them by now; as compact."""
    mistimed = compact(store)
    share(store)
    return mistimed


def watch_all(store: Store, signer: Signer) -> None:
    """Judge every day that can be judged by now, of every deployment that is live.

    A fault of one does not keep the others from it; the first is raised at the end.
    """
    problems: list[Exception] = []
    for ref in store.refs("deploy/"):
        try:
            watch_ref(store, signer, ref.name)
        except Exception as problem:
            problems.append(problem)
    if problems:
        raise problems[0]


def watch_ref(store: Store, signer: Signer, name: str) -> JsonObject | None:
    """Judge the days of one deployment as far as its logs tell the time; None when nothing can be judged."""
    from shipway.monitor import watch

    deployment = store.get(store.resolve(name), "deployment")
    outcome = outcome_of(store, deployment)
    if outcome is None:
        return None
    result = watch(
        store,
        name,
        monitors_of(deployment),
        matures=outcomes_of(deployment)[outcome],
        outcome=outcome,
        attest_checks=attester(store, signer),
    )
    return {"days": [day.to_json() for day in result.days], "alerts": [alert.to_json() for alert in result.alerts]}


def labels_of(store: Store, name: str) -> tuple[Labels, ...]:
    """What is known of the predictions of a deployment, by release and arm; nothing where no model answers or nobody asked."""
    from shipway.monitor import Question, event_clock, measure_labels

    deployment = store.get(store.resolve(name), "deployment")
    outcome, clock = outcome_of(store, deployment), event_clock(store, name)
    if outcome is None or clock is None:
        return ()
    return measure_labels(store, Question(name, outcome, outcomes_of(deployment)[outcome], clock, store.clock.now()))


def outcome_of(store: Store, deployment: JsonObject) -> str | None:
    """The outcome that answers the model's question: the one called like its target; None where no model answers."""
    components = load_components(store, release_descriptor(deployment).digest)
    if not any(component.kind == "model" for component in components):
        return None
    target = str(store.get(find_component(components, "model").digest, "model")["target"])
    return target if target in outcomes_of(deployment) else None


def attester(store: Store, signer: Signer) -> AttestChecks:
    """Keeps the checks of a window as evidence about the release that answered in it."""

    def keep(subject: Digest, name: str, checks: tuple[Check, ...], window: JsonObject) -> None:
        whole = Check("window", Verdict(str(window["verdict"])), text=str(window["text"]))
        predicate: JsonObject = {
            "check": whole.to_json(),
            "checks": [check.to_json() for check in checks],
            "window": window,
        }  # no time of its own: after a crash the same window gives the same envelope
        kind = media.CHECK_PREDICATE
        attest(store, signer, subject=subject, name=name, predicate_type=kind, predicate=predicate, label="window")

    return keep


def time_column_of(store: Store) -> Callable[[Digest], str | None]:
    """The event-time column of each release's model, read once a release."""

    @memo
    def find(release: Digest) -> str | None:
        model = find_component(load_components(store, release), "model")
        column = store.get(model.digest, "model")["time"]
        return str(column) if column else None

    return find


def make_supervisor(
    store: Store,
    *,
    cache: Path,
    environ: Mapping[str, str],
    report: Callable[[str], None],
    port: int,
    only: str | None = None,
    secrets: Mapping[str, str] | None = None,
    host: str = LOOPBACK,
    grpc_port: int | None = None,
) -> Supervisor:
    """A supervisor whose first deployment gets `port`, the next ones those after it (0: any free port).

    secrets, host, grpc_port: as in Supervisor.
    """
    taken: list[str] = []

    def port_of(ref: str) -> int:
        if ref not in taken:
            taken.append(ref)
        return port + taken.index(ref) if port else 0

    return Supervisor(
        store,
        cache=cache,
        environ=environ,
        report=report,
        ports=port_of,
        only=only,
        secrets=secrets,
        host=host,
        grpc_port=grpc_port,
    )

"""`shipway up`: the control plane of one project."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from shipway.cli._output import PORT, Output, json_option
from shipway.cli._settings import Project, Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from shipway.operate import Round, World
    from shipway.pipeline import Hands
    from shipway.spec import Spec
    from shipway.tracking import Tracking

SCRAPERS = 32  # connections to the metrics at a time: each answer reads the catalogue
_PATIENCE = 3.0  # seconds for a round to end what it is at, or to be left in the midst of it
_LAST_PATIENCE = 1.0  # for all threads once everything is closed


@click.command(name="up")
@click.option(
    "--port",
    type=PORT,
    default=4780,
    show_default=True,
    help="Of the page and the API, on loopback; predictors take those after it.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="What to bind to. The page asks nobody who they are.")
@click.option(
    "--name", "names", multiple=True, metavar="HOST", help="A host name that it answers to, beside this machine's own."
)
@click.option(
    "--metrics-port",
    type=PORT,
    default=None,
    help="Another port, where /metrics, /healthz and /readyz answer and nothing else; none when left out.",
)
@click.option("--metrics-host", default="127.0.0.1", show_default=True, help="What --metrics-port binds to.")
@click.option("--no-serving", is_flag=True, help="Start no predictor and no gateway: they are containers of their own.")
@click.option("--no-mlflow", is_flag=True, help="Do not start MLflow.")
@json_option
@click.pass_obj
def command(
    settings: Settings,
    port: int,
    host: str,
    names: tuple[str, ...],
    metrics_port: int | None,
    metrics_host: str,
    no_serving: bool,
    no_mlflow: bool,
    as_json: bool,
) -> None:
    """Start the control plane: page, API, predictors, MLflow.

    Every deployment gets its predictors. Everything binds to loopback, unless --host says otherwise of the page and the API:
    whoever reaches them acts as the one who has started this. Where Prometheus comes from another machine, --metrics-port
    gives it the metrics and nothing else. The predictors are processes of their own: this one
    is never on the way of a prediction. Ends with Ctrl-C or SIGTERM; what was accepted is finished first.
    """
    from shipway.cli._intake import Intake
    from shipway.cli._loop import ControlLoop
    from shipway.cli._retraining import Retraining
    from shipway.cli._serving import leave_threads, stop_on_signals
    from shipway.cli._site import Listening, make_site
    from shipway.monitor import OutcomeLog
    from shipway.operate import bind_port, forget_control, hold_control, note_control
    from shipway.web import Counters, make_metrics_app

    if metrics_port is None and metrics_host != "127.0.0.1":
        raise click.UsageError("--metrics-host is of --metrics-port, which is missing")
    project, out = Project(settings), Output(as_json)
    if host != "127.0.0.1":
        out.note(f"binds to {host}: whoever reaches it can approve and apply as {project.actor.name}")
    before = set(threading.enumerate())
    with ExitStack() as running:
        running.enter_context(hold_control(project.store, alone=True))
        stop = stop_on_signals()
        listener = running.enter_context(bind_port(port, host=host))
        second = None
        if metrics_port is not None:
            second = running.enter_context(bind_port(metrics_port, host=metrics_host, exact=True))
        watched = f"http://{metrics_host}:{second.getsockname()[1]}/metrics" if second else None
        chosen = int(listener.getsockname()[1])
        url = f"http://127.0.0.1:{chosen}"
        tracking = None if no_mlflow else _start_tracking(project, out)
        if tracking:
            running.callback(tracking.stop)
        outcomes = running.enter_context(OutcomeLog(project.store))
        counters, links = Counters(), {"MLflow": tracking.url} if tracking else {}
        intake = running.enter_context(Intake(project.store.again, outcomes, counters.received))
        site = make_site(
            settings,
            project.store,
            links=links,
            outcomes=outcomes,
            names=names,
            counters=counters,
            receivers=intake.receivers,
            retraining=running.enter_context(Retraining(settings)),
        )
        running.enter_context(Listening(site, listener, stop))
        if second:
            running.enter_context(Listening(make_metrics_app(project.store.again, counters), second, stop, most=SCRAPERS))
        control = ControlLoop(settings, out.note, port=chosen + 1, serving=not no_serving)
        control.start(stop)
        running.callback(control.end)
        _start_rounds(running, settings, out, stop)
        running.callback(stop.set)
        if tracking:
            tracking.wait(stop)
        running.callback(forget_control, project.store)
        note_control(project.store, url=url, tracking=tracking.url if tracking else None)
        neighbours = {"MLflow": tracking.url if tracking else None, "metrics": watched}
        out.say(", ".join([f"shipway up: {url}", *(f"{name}: {at}" for name, at in neighbours.items() if at)]))
        stop.wait()
    out.end("up", {"url": url, "metrics": watched}, then="shipway log")
    leave_threads(before, out.note, seconds=_LAST_PATIENCE)


def _start_tracking(project: Project, out: Output) -> Tracking | None:
    from shipway.cli._serving import free_port, predictor_environ
    from shipway.tracking import start_tracking, tracking_installed

    if not tracking_installed():
        out.note("MLflow is not installed here; training code that logs to it finds none (pip install 'shipway[mlflow]')")
        return None
    folder = project.store.root / "mlflow"
    return start_tracking(folder, port=free_port(0), environ=predictor_environ(project.settings.environ))


def _start_rounds(running: ExitStack, settings: Settings, out: Output, stop: threading.Event) -> None:
    """What the control plane does beside its loop, each in a thread that is left in the midst after some seconds."""
    spec = _SpecNow(settings, out)
    for name, rounds in (
        ("following", _following),
        ("looking at gateways", _looking),
        ("pulling outcomes", _pulling),
        ("notifying", _notifying),
    ):
        # daemons: an evaluation of an hour does not keep the process
        thread = threading.Thread(target=rounds, args=(settings, out, spec, stop), name=name, daemon=True)
        thread.start()
        running.callback(thread.join, _PATIENCE)


def _following(settings: Settings, out: Output, spec: _SpecNow, stop: threading.Event) -> None:
    """Following, which may take as long as an evaluation."""
    from shipway.operate import follow_round, world_of

    def make(hands: Hands) -> Round:
        def world(found: Spec) -> World:
            return world_of(hands, found, environ=settings.environ)

        return follow_round(hands, environ=settings.environ, spec=spec, world=world, report=out.note)

    _turn(settings, out, stop, "following", make)


def _looking(settings: Settings, out: Output, spec: _SpecNow, stop: threading.Event) -> None:
    """A look at what surrounds gateways, whatever is evaluated meanwhile."""
    from shipway.operate import look_round

    def make(hands: Hands) -> Round:
        return look_round(hands, environ=settings.environ, spec=spec, report=out.note)

    _turn(settings, out, stop, "looking at gateways", make)


def _notifying(settings: Settings, out: Output, spec: _SpecNow, stop: threading.Event) -> None:
    """People who want to know of incidents."""
    from shipway.operate import CONTROL, notify_round

    def make(hands: Hands) -> Round:
        def link() -> str:
            row = hands.store.state(CONTROL, "up")
            return str(row.value["url"]) if row else ""

        return notify_round(hands.store, environ=settings.environ, spec=spec, link=link, report=out.note)

    _turn(settings, out, stop, "notifying", make)


def _pulling(settings: Settings, out: Output, spec: _SpecNow, stop: threading.Event) -> None:
    """What databases know of the outcomes."""
    from shipway.operate import outcome_round

    def make(hands: Hands) -> Round:
        return outcome_round(hands, spec=spec, report=out.note)

    _turn(settings, out, stop, "pulling outcomes", make)


def _turn(settings: Settings, out: Output, stop: threading.Event, what: str, make: Callable[[Hands], Round]) -> None:
    """A round in its own thread, with its own store."""
    project = Project(settings)
    try:
        make(project.hands).run(stop)
    except BaseException as problem:
        out.note(f"{what} ended: {type(problem).__name__}: {problem}")
        raise
    finally:
        project.store.close()


class _SpecNow:
    """shipway.yaml as it is; None while it cannot be read: deployments then go by what they hold themselves. That it cannot is
    said once, and that it can again.
    """

    def __init__(self, settings: Settings, out: Output) -> None:
        self._settings, self._out = settings, out
        self._told = ""
        self._alone = threading.Lock()  # two threads ask

    def __call__(self) -> Spec | None:
        from shipway.kernel.errors import ShipwayError

        with self._alone:
            try:
                spec = Project(self._settings).spec
            except ShipwayError as problem:
                self._tell(f"{problem.what} ({problem.where})" if problem.where else problem.what)
                return None
            self._tell("")
            return spec

    def _tell(self, problem: str) -> None:
        if problem and problem != self._told:
            self._out.note(f"shipway.yaml cannot be used: {problem}; what is deployed goes on as it is")
        if not problem and self._told:
            self._out.note("shipway.yaml can be used again")
        self._told = problem

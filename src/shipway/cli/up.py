"""`shipway up`: the control plane of one project."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from socket import socket
from typing import TYPE_CHECKING

import click

from shipway.cli._output import PORT, Output, json_option
from shipway.cli._settings import Project, Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from shipway.monitor import OutcomeLog
    from shipway.operate import Round, World
    from shipway.pipeline import Hands
    from shipway.spec import Spec
    from shipway.store import Store
    from shipway.tracking import Tracking


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
@click.option("--no-serving", is_flag=True, help="Start no predictor and no gateway: they are containers of their own.")
@click.option("--no-mlflow", is_flag=True, help="Do not start MLflow.")
@json_option
@click.pass_obj
def command(
    settings: Settings, port: int, host: str, names: tuple[str, ...], no_serving: bool, no_mlflow: bool, as_json: bool
) -> None:
    """Start the control plane: page, API, predictors, MLflow.

    Every deployment gets its predictors. Everything binds to loopback, unless --host says otherwise of the page and the API:
    whoever reaches them acts as the one who has started this. The predictors are processes of their own: this one
    is never on the way of a prediction. Ends with Ctrl-C or SIGTERM; what was accepted is finished first.
    """
    from shipway.cli._serving import stop_on_signals
    from shipway.monitor import OutcomeLog
    from shipway.operate import bind_port, forget_control, hold_control, note_control

    project, out = Project(settings), Output(as_json)
    if host != "127.0.0.1":
        out.note(f"binds to {host}: whoever reaches it can approve and apply as {project.actor.name}")
    with ExitStack() as running:
        running.enter_context(hold_control(project.store, alone=True))
        stop = stop_on_signals()
        listener = running.enter_context(bind_port(port, host=host))
        chosen = int(listener.getsockname()[1])
        url = f"http://127.0.0.1:{chosen}"
        tracking = None if no_mlflow else _start_tracking(project, out)
        if tracking:
            running.callback(tracking.stop)
        outcomes = running.enter_context(OutcomeLog(project.store))
        running.enter_context(_Web(settings, project.store, listener, stop, tracking, outcomes, names))
        control = threading.Thread(target=_control, args=(settings, out, chosen, stop, not no_serving), name="control")
        control.start()
        running.callback(control.join)
        spec = _SpecNow(settings, out)
        for rounds in (_following, _looking):  # daemons: an evaluation of an hour does not keep the process
            threading.Thread(target=rounds, args=(settings, out, spec, stop), name=rounds.__name__, daemon=True).start()
        running.callback(stop.set)
        if tracking:
            tracking.wait(stop)
        running.callback(forget_control, project.store)
        note_control(project.store, url=url, tracking=tracking.url if tracking else None)
        out.say(f"shipway up: {url}" + (f", MLflow: {tracking.url}" if tracking else ""))
        stop.wait()
    out.end("up", {"url": url}, then="shipway log")


def _start_tracking(project: Project, out: Output) -> Tracking | None:
    from shipway.cli._serving import free_port, predictor_environ
    from shipway.tracking import start_tracking, tracking_installed

    if not tracking_installed():
        out.note("MLflow is not installed here; training code that logs to it finds none (pip install 'shipway[mlflow]')")
        return None
    folder = project.store.root / "mlflow"
    return start_tracking(folder, port=free_port(0), environ=predictor_environ(project.settings.environ))


def _control(settings: Settings, out: Output, port: int, stop: threading.Event, serving: bool) -> None:
    """The loop in its own thread, with its own store."""
    from shipway.cli._serving import predictor_environ
    from shipway.operate import Control, make_supervisor

    project = Project(settings)
    environ = predictor_environ(settings.environ)
    supervisor = make_supervisor(
        project.store,
        cache=project.cache,
        environ=environ,
        report=out.note,
        port=port + 1,
        only=None if serving else "",  # no ref has that name
        secrets=settings.environ,
    )
    try:
        Control(project.store, project.signer, supervisor, out.note).run(stop)
    except BaseException as problem:
        out.note(f"the control loop ended: {type(problem).__name__}: {problem}")
        raise
    finally:
        stop.set()
        project.store.close()


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


class _Web:
    """The page and the API under uvicorn in a thread; when it ends, so does everything else.

    The store is found once: editing shipway.yaml while it runs neither breaks the page nor shows another project.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        listener: socket,
        stop: threading.Event,
        tracking: Tracking | None,
        outcomes: OutcomeLog,
        names: tuple[str, ...],
    ) -> None:
        import uvicorn

        from shipway.cli._desk import open_desk
        from shipway.web import make_app

        app = make_app(
            store.again,
            links={"MLflow": tracking.url} if tracking else {},
            endpoints=lambda: _endpoints(store.again()),
            record_outcomes=outcomes.record,
            rate_review=lambda key, value: _rate(settings, key, value),
            desk=open_desk(settings, store),
            hosts=names,
        )
        self._server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
        self._listener, self._stop = listener, stop
        self._thread = threading.Thread(target=self._run, name="web")

    def __enter__(self) -> _Web:
        self._thread.start()
        return self

    def __exit__(self, *_problem: object) -> None:
        self._server.should_exit = True
        self._thread.join()

    def _run(self) -> None:
        try:
            self._server.run(sockets=[self._listener])
        finally:
            self._stop.set()


def _rate(settings: Settings, key: str, value: int | str) -> None:
    """A person's rating, by whoever has started `up`: nobody else reaches a page on loopback."""
    from shipway.operate import rate_review

    project = Project(settings)
    try:
        rate_review(project.hands, key, value)
    finally:
        project.store.close()


def _endpoints(store: Store) -> dict[str, str]:
    """Where each deployment's predictor answers."""
    from shipway.operate import ENDPOINT

    try:
        return {row.key: str(row.value["url"]) for row in store.states(ENDPOINT) if row.value.get("url")}
    finally:
        store.close()

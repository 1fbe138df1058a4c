"""What the page of an incident does, as whoever started `up`: each call opens the project as it is then, and closes it."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from shipway.cli._settings import Project, Settings

if TYPE_CHECKING:
    from shipway.access import Action, Actor
    from shipway.cli._retraining import Retraining
    from shipway.gate import Moved
    from shipway.kernel.digest import Digest
    from shipway.kernel.units import Seconds
    from shipway.monitor import Silence
    from shipway.store import Store
    from shipway.web import OnCall, Ways


def open_oncall(settings: Settings, store: Store, retraining: Retraining, *, actor: str) -> OnCall:
    """The hands of one project; the store is the one that `up` runs on, whatever shipway.yaml says later."""
    from shipway.web import OnCall

    return OnCall(
        actor=actor,
        ways=lambda ref: _Hand(settings, store).ways(ref, retraining.running()),
        roll_back=lambda ref, standing, release, why: _Hand(settings, store).roll_back(ref, standing, release, why),
        silence=lambda ref, monitor, why, seconds: _Hand(settings, store).silence(ref, monitor, why, seconds),
        retrain=lambda ref, why: _Hand(settings, store).retrain(ref, why, retraining),
        retrained=retraining.look,
    )


class _Hand:
    """One call."""

    def __init__(self, settings: Settings, opened: Store) -> None:
        self._project = Project(settings)
        self._project.__dict__["store"] = self._store = opened.again()  # the way back must not hang on a readable spec

    def ways(self, ref: str, running: str) -> Ways:
        """What can be done about a deployment, and why not where it cannot. Raises RefMissing."""
        from shipway.access import Action
        from shipway.gate import release_of
        from shipway.web import Ways

        with closing(self._store) as store:
            actor, standing = self._project.actor, store.resolve(ref)
            back, lacking = self._back(ref)
            return Ways(
                standing=standing,
                live=release_of(store, standing),
                back=back,
                no_rollback=_forbidden(actor, Action.RETURN, ref) or lacking,
                no_retrain=_forbidden(actor, Action.MOVE, ref) or self._no_retrain(ref, running),
                no_silence=_forbidden(actor, Action.RECORD, ref),
            )

    def roll_back(self, ref: str, standing: Digest, release: Digest, why: str) -> Moved:
        """As `shipway rollback --to RELEASE`, from what was shown."""
        from shipway.release import roll_back

        with closing(self._store) as store:
            keys, actor = self._project.keys, self._project.actor
            return roll_back(store, keys, actor, ref, release=release, standing=standing, why=why)

    def silence(self, ref: str, monitor: str, why: str, seconds: Seconds) -> Silence:
        """As `shipway incident --silence`."""
        from shipway.access import Action, authorize
        from shipway.monitor import keep_silence

        with closing(self._store) as store:
            authorize(self._project.actor, Action.RECORD, ref)
            return keep_silence(store, ref, monitor, who=self._project.actor.name, why=why, seconds=seconds)

    def retrain(self, ref: str, why: str, retraining: Retraining) -> None:
        """Start `shipway retrain`."""
        from shipway.access import Action, authorize

        with closing(self._store):
            authorize(self._project.actor, Action.MOVE, ref)
            retraining.start(ref, who=self._project.actor.name, why=why)

    def _back(self, ref: str) -> tuple[Digest | None, str]:
        from shipway.release import NothingToReturnTo, way_back

        try:
            return way_back(self._store, self._project.keys, ref), ""
        except NothingToReturnTo as problem:
            return None, _sentence(problem.what)

    def _no_retrain(self, ref: str, running: str) -> str:
        from shipway.cli._refs import find_deploy
        from shipway.kernel.errors import ShipwayError

        if running:
            return f"{running} is being retrained, and one at a time is."
        try:
            deploy, models = find_deploy(self._project.spec, ref), self._project.spec.models
        except ShipwayError as problem:
            return _sentence(problem.what)
        if deploy.target == "gateway" or not models:
            return "No model is trained for it."
        return ""


def _sentence(what: str) -> str:
    return f"{what[:1].upper()}{what[1:]}."


def _forbidden(actor: Actor, action: Action, ref: str) -> str:
    from shipway.access import Forbidden, authorize

    try:
        authorize(actor, action, ref)
    except Forbidden as problem:
        return f"{problem.what}."
    return ""

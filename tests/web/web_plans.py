"""A project with a spec, whose pages plan, approve and apply by the desk that `shipway up` gives them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from web_client import Client, serving
from web_project import AUC, Project

from shipway.cli._desk import open_desk
from shipway.cli._retraining import Retraining
from shipway.cli._settings import Settings
from shipway.kernel.clock import SystemClock
from shipway.kernel.digest import Digest
from shipway.web import make_app

SPEC = """project: flights
deploy:
  delay@staging: {}
  delay@prod: {after: staging}
policy:
  deploy/delay@prod:
    auc: at least 0.55 at 95%
    approvals: 1
"""
STAGING, PROD = "deploy/delay@staging", "deploy/delay@prod"


class Planned(Project):
    """As Project, by the wall clock and with a spec."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.clock = SystemClock()  # type: ignore[assignment]
        (self.folder / "shipway.yaml").write_text(SPEC)

    @property
    def settings(self) -> Settings:
        environ = {"SHIPWAY_KEYS": str(self.folder / "keys"), "SHIPWAY_ACTOR": self.who, "USER": "ada"}
        return Settings(self.folder, debug=False, environ=environ)

    def measured(self, model: str, *, why: str = "", data: str = "january") -> Digest:
        """A release whose model was measured."""
        release = self.release(model, why=why, data=data)
        self.measure(release, AUC)
        return release


@contextmanager
def plans_of(project: Planned) -> Iterator[Client]:
    with Retraining(project.settings) as retraining:
        desk = open_desk(project.settings, project.store, retraining)
        with serving(make_app(project.open, links={}, endpoints=dict, record_outcomes=len, desk=desk)) as client:
            yield client

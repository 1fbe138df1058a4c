"""`shipway.load`, `shipway.asgi` and `shipway.outcomes`: a release and its log in the caller's own Python.

What composes a program that is not ours.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, closing, contextmanager
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from shipway.cli._settings import Project, Settings
    from shipway.kernel.digest import Digest
    from shipway.monitor import OutcomeLog
    from shipway.operate import LoadedRelease
    from shipway.protocols import MountedRelease
    from shipway.store import Store


def load(
    release: str | PathLike[str], *, project: str | PathLike[str] | None = None, model: str | None = None
) -> LoadedRelease:
    """A release that answers here: `shipway.load("delay@prod").predict(table)`.

    release: a deployment, which means what is live there now; a digest of a release or its first digits; the folder or tar of
    a bundle, which needs no project. project: the folder of one, or one below it; that in which the program runs when left
    out. model: which one, where the release has several. Predictions are not logged. Nothing is fetched from a network: an
    environment that is not on this machine is an error that says so. Raises ShipwayError, with the `code` of what is wrong.
    """
    return _load(release, Path.cwd() / (project or ""), model, log=False)


def asgi(
    release: str | PathLike[str],
    *,
    project: str | PathLike[str] | None = None,
    model: str | None = None,
    browsers: bool = False,
) -> MountedRelease:
    """A release as an ASGI application: `app.mount("/delay", shipway.asgi("delay@prod"))`.

    release, project, model: as for `load`. It answers what `shipway serve` does, and describes that at `/openapi.json`. It is
    loaded when it is first asked; `FastAPI(lifespan=delay.lifespan)` loads it before, and closes it after. It stays with the
    release that was live when it was loaded. Predictions of a deployment are logged. browsers: whether pages in browsers may
    ask, for an application that guards its addresses itself.
    """
    from shipway.protocols import MountedRelease

    directory = Path.cwd() / (project or "")  # of now, not of when it is first asked
    return MountedRelease(lambda: _load(release, directory, model, log=True), browsers=browsers)


@contextmanager
def outcomes(project: str | PathLike[str] | None = None) -> Iterator[OutcomeLog]:
    """The outcome log of a project, for a program that learns what became true: `with shipway.outcomes() as log`.

    `log.record([{"id": "REQUEST:ROW", "name": "late", "value": 1}])` returns when the rows are on the device,
    `log.record_table` takes a Polars frame; threads may share it. project: as for `load`.
    Raises ShipwayError, with the `code` of what is wrong.
    """
    from shipway.cli._settings import Project, read_settings
    from shipway.monitor import OutcomeLog

    settings = read_settings(directory=os.fspath(Path.cwd() / (project or "")), debug=False)
    with closing(Project(settings).store) as store, OutcomeLog(store) as log:
        yield log


def record_outcomes(rows: Iterable[Mapping[str, object]], *, project: str | PathLike[str] | None = None) -> int:
    """Keeps every row, or none; how many. For a few now and then: a program with many keeps the log of `outcomes` open."""
    with outcomes(project) as log:
        return log.record(rows)


def _load(release: str | PathLike[str], directory: Path, model: str | None, *, log: bool) -> LoadedRelease:
    from shipway.cli._serving import predictor_environ
    from shipway.cli._settings import Project, read_settings
    from shipway.environment import default_cache
    from shipway.operate import load_release

    settings = read_settings(directory=os.fspath(directory), debug=False)
    with ExitStack() as held:
        bundle = directory / release
        if isinstance(release, PathLike) or release.startswith(("/", ".")) or bundle.is_dir() or bundle.is_file():
            found = _from_bundle(settings, bundle, held)
        else:
            found = _from_project(Project(settings), str(release), held)
        return load_release(
            found.store,
            found.release,
            model=model,
            environ=predictor_environ(settings.environ),
            cache=default_cache(),
            report=lambda _: None,
            deployment=found.deployment if log else None,
            held=held.pop_all(),
        )


class _Found(NamedTuple):
    store: Store
    release: Digest
    deployment: Digest | None = None


def _from_bundle(settings: Settings, path: Path, held: ExitStack) -> _Found:
    from shipway.release import open_bundle, unpack_bundle

    nobodys = "embedded@embedded"  # the deployment that came along, if any did, is not what answers
    unpacked = held.enter_context(unpack_bundle(open_bundle(path), settings.trusted(), name=nobodys))
    return _Found(unpacked.store, unpacked.release)


def _from_project(project: Project, text: str, held: ExitStack) -> _Found:
    from shipway.cli._digests import find_release
    from shipway.cli._refs import find_deploy
    from shipway.gate import release_of
    from shipway.release import deploy_ref

    store = held.enter_context(closing(project.store))
    applications = {deploy.application for deploy in project.spec.deploy.values()}
    plain = text.removeprefix("deploy/")
    if plain in applications or ("@" in plain and "/" not in plain):
        target = store.resolve(deploy_ref(find_deploy(project.spec, plain)))
        return _Found(store, release_of(store, target) or target, target)
    return _Found(store, find_release(store, text))

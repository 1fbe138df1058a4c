"""Settings: read once, at the top, from the environment; everything below gets values."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shipway.access import Actor, GivenKeys, KeyRing, Signer
    from shipway.kernel.digest import Digest
    from shipway.pipeline import Hands, RunPlan
    from shipway.spec import Outline, Spec
    from shipway.store import Store


@dataclass(frozen=True)
class Settings:
    """Where this invocation works. environ: the variables that Shipway reads, docs/settings.md."""

    directory: Path
    debug: bool
    environ: Mapping[str, str]

    @property
    def keys_folder(self) -> Path:
        """$SHIPWAY_KEYS, else `shipway/keys` in the configuration folder: always outside the store."""
        explicit = self.environ.get("SHIPWAY_KEYS")
        base = self.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
        return Path(explicit) if explicit else Path(base) / "shipway" / "keys"

    def trusted(self, folder: Path | None = None) -> KeyRing:
        """The keys whose statements count here, for whoever only reads them. folder: of keys, instead of one's own."""
        from shipway.access import open_keys, open_ring

        if folder is None and self.signer:  # a key that is elsewhere is trusted as this machine's own
            return open_keys(self.keys_folder, signer=self.signer, given=self.given_keys)[1]
        return open_ring(self.directory / folder, loose=True) if folder else open_ring(self.keys_folder, given=self.given_keys)

    @property
    def given_keys(self) -> GivenKeys:
        """$SHIPWAY_TRUST and $SHIPWAY_SIGNING_KEY: a trust file and a private key as text, where no folder can be mounted."""
        from shipway.access import GivenKeys

        environ = self.environ
        return GivenKeys(environ.get("SHIPWAY_TRUST", "").strip(), environ.get("SHIPWAY_SIGNING_KEY", "").strip())

    @property
    def signer(self) -> str:
        """$SHIPWAY_SIGNER: `exec:PROGRAM`, or empty for the key in the keys folder."""
        return self.environ.get("SHIPWAY_SIGNER", "")

    @property
    def argo_server(self) -> str:
        """$ARGO_SERVER: the address of the Argo Server, as Argo's own command line reads it; empty for none."""
        return self.environ.get("ARGO_SERVER", "").strip()

    @property
    def argo_token(self) -> str:
        """$ARGO_TOKEN: a bearer token for it; never written anywhere."""
        return self.environ.get("ARGO_TOKEN", "").strip()

    @property
    def state_machine(self) -> str:
        """$SHIPWAY_STATE_MACHINE: ARN or name of that of `run --on stepfunctions`; empty for the project's own."""
        return self.environ.get("SHIPWAY_STATE_MACHINE", "").strip()

    @property
    def aws_region(self) -> str:
        """$AWS_REGION, else $AWS_DEFAULT_REGION; empty for that of the spec."""
        return self.environ.get("AWS_REGION", "").strip() or self.environ.get("AWS_DEFAULT_REGION", "").strip()

    @property
    def catalogue(self) -> str | None:
        """$SHIPWAY_CATALOGUE: the address of a catalogue in PostgreSQL; None for the file in the store."""
        return self.environ.get("SHIPWAY_CATALOGUE", "").strip() or None

    @property
    def objects(self) -> str | None:
        """$SHIPWAY_OBJECTS: the address of the team's objects, s3://BUCKET/PREFIX; None for where the store says they are."""
        return self.environ.get("SHIPWAY_OBJECTS", "").strip() or None

    @property
    def cache_bytes(self) -> int:
        """$SHIPWAY_CACHE_SIZE: how much copies of a bucket's objects may take here. Raises UnitMalformed."""
        given = self.environ.get("SHIPWAY_CACHE_SIZE", "").strip()
        if not given:
            return 50 << 30
        from shipway.kernel.units import UnitMalformed, parse_bytes

        try:
            return parse_bytes(given)
        except UnitMalformed as problem:
            raise UnitMalformed(problem.what, where="SHIPWAY_CACHE_SIZE", mend=problem.mend) from None

    @property
    def remote(self) -> str:
        """$SHIPWAY_REMOTE: where snapshots are pushed to and pulled from; empty for none."""
        return self.environ.get("SHIPWAY_REMOTE", "").strip()


class Project:
    """One project as a command needs it; each part is opened when it is first asked for."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @cached_property
    def spec(self) -> Spec:
        from shipway.spec import find_spec, load_spec

        return load_spec(find_spec(self.settings.directory))

    @cached_property
    def outline(self) -> Outline:
        """What most commands need of the spec; of one that has not changed no YAML is read. Raises as `spec` does."""
        from shipway.spec import find_spec, outline_of

        return outline_of(self.spec) if "spec" in self.__dict__ else self._outline(find_spec(self.settings.directory))

    def _outline(self, path: Path) -> Outline:
        from shipway import __version__
        from shipway.spec import read_outline
        from shipway.store import FOLDER

        return read_outline(path, path.parent / FOLDER / "cache" / "outline.json", by=__version__)

    @cached_property
    def store(self) -> Store:
        from shipway.store import FOLDER

        root = self.outline.root
        is_new = not (root / FOLDER).is_dir()
        made = self._open(root, self.outline.project, create=True)
        if is_new:
            self._outline(self.outline.path)  # now there is a place to keep it
        return made

    def _open(self, root: Path, project: str, *, create: bool = False) -> Store:
        from shipway.store import open_store

        settings = self.settings
        return open_store(
            root,
            project,
            catalogue=settings.catalogue,
            objects=settings.objects,
            cache=self.cache,
            cache_bytes=settings.cache_bytes,
            create=create,
        )

    def use_store_alone(self) -> None:
        """Work with the store that is here although shipway.yaml cannot be read: the way back must not hang on it.

        Raises what reading the spec raised when the store does not say which project is meant.
        """
        from shipway.kernel.errors import ShipwayError
        from shipway.store import FOLDER, list_projects

        try:
            self.store  # noqa: B018 - opened by the spec, as always
        except ShipwayError:
            folders = [self.settings.directory, *self.settings.directory.parents]
            root = next((folder for folder in folders if (folder / FOLDER).is_dir()), None)
            projects = list_projects(root, catalogue=self.settings.catalogue) if root else []
            if root is None or len(projects) != 1:
                raise
            self.__dict__["store"] = self._open(root, projects[0])

    def use_project(self, root: Path, name: str) -> None:
        """Work for a project that has no shipway.yaml yet."""
        self.__dict__["store"] = self._open(root, name, create=True)

    def use_plan(self, plan: Digest) -> RunPlan:
        """Work for the project that a run plan names, in the store of this folder, of one above, or of the set catalogue.

        Raises StoreMissing, ObjectMissing, ObjectDamaged, ObjectUnexpected.
        """
        from contextlib import closing

        from shipway.pipeline import load_run_plan
        from shipway.store import FOLDER

        directory = self.settings.directory
        root = next((folder for folder in (directory, *directory.parents) if (folder / FOLDER).is_dir()), directory)
        with closing(self._open(root, "unknown", create=self.settings.catalogue is not None)) as objects:
            found = load_run_plan(objects, plan)
        self.__dict__["store"] = self._open(root, found.project)
        return found

    @cached_property
    def actor(self) -> Actor:
        from shipway.access import local_actor

        return local_actor(self.settings.environ, self.store.root.parent)

    @cached_property
    def _opened_keys(self) -> tuple[Signer, KeyRing]:
        from shipway.access import open_keys

        return open_keys(self.settings.keys_folder, signer=self.settings.signer, given=self.settings.given_keys)

    @property
    def signer(self) -> Signer:
        return self._opened_keys[0]

    @property
    def keys(self) -> KeyRing:
        return self._opened_keys[1]

    @cached_property
    def cache(self) -> Path:
        from shipway.environment import default_cache

        return default_cache()

    @cached_property
    def hands(self) -> Hands:
        from shipway.pipeline import Hands, Opened

        def opened() -> Opened:
            return Opened(self.signer, self.keys, self.actor, self.cache)

        return Hands.when_needed(self.store, opened, environ=self.settings.environ)

    def step_environ(self) -> dict[str, str]:
        """The variables of a step's process: few, so that the same run elsewhere is the same; and where MLflow is.

        A tracking address that the user has set goes before that of a running `up`.
        """
        from shipway.cli._serving import predictor_environ
        from shipway.operate import tracking_url

        environ = self.settings.environ
        tracking = {name: value for name, value in environ.items() if name.startswith("MLFLOW_")}
        url = tracking.get("MLFLOW_TRACKING_URI") or tracking_url(self.store)
        if url:
            tracking |= {"MLFLOW_TRACKING_URI": url, "MLFLOW_DISABLE_TELEMETRY": "true"}
        return predictor_environ(environ) | tracking


def read_settings(*, directory: str, debug: bool) -> Settings:
    return Settings(Path(directory).absolute(), debug, dict(os.environ))

"""The project of a function of AWS Lambda: in the image nothing can be written, and what a function writes is gone with it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from shipway.cli._settings import Project, Settings
from shipway.kernel.errors import ShipwayError

if TYPE_CHECKING:
    from shipway.access import Actor, KeyRing
    from shipway.store import Store

_SECONDS = 5  # a secret is read within milliseconds; who waits longer has no way to AWS


class FunctionUnready(ShipwayError):
    """A function of AWS Lambda without what it cannot work without."""

    code = "cli.function-unready"


class SecretUnread(ShipwayError):
    """A secret that AWS Secrets Manager does not give."""

    code = "cli.secret-unread"
    retry = True


class FunctionProject(Project):
    """A project whose catalogue and objects are elsewhere. home: a folder for marks, locks and caches, below /tmp there."""

    def __init__(self, settings: Settings, *, home: Path) -> None:
        super().__init__(settings)
        self._home = home

    @cached_property
    def store(self) -> Store:
        return self._open(self._home, self.spec.project, create=True)

    @cached_property
    def actor(self) -> Actor:
        """$SHIPWAY_ACTOR, else the function's name: nobody sits there."""
        from shipway.access import Actor

        environ = self.settings.environ
        name = environ.get("SHIPWAY_ACTOR") or environ.get("AWS_LAMBDA_FUNCTION_NAME") or "lambda"
        return Actor(name, frozenset({"admin"}))

    @property
    def keys(self) -> KeyRing:
        """A function signs nothing and has no key of its own."""
        return self.settings.trusted()


def open_function(environ: Mapping[str, str], *, directory: Path, home: Path | None = None) -> FunctionProject:
    """The project of a folder as a function works for it, its secrets read. Raises FunctionUnready, SecretUnread."""
    wanted = environ.get("SHIPWAY_SECRETS", "").strip()
    settings = Settings(directory, False, environ)
    if wanted:
        settings = Settings(directory, False, {**environ, **_fetch(_references(wanted), settings.aws_region)})
    for name, value in (("SHIPWAY_CATALOGUE", settings.catalogue), ("SHIPWAY_OBJECTS", settings.objects)):
        if value is None:
            mend = f"set {name}: what a function keeps on its own disk is gone when AWS takes that away"
            raise FunctionUnready(f"{name} is not set", where="the variables of the function", mend=mend)
    return FunctionProject(settings, home=home or Path(tempfile.gettempdir()) / "shipway")


def _references(text: str) -> dict[str, str]:
    """Which variable holds which secret. What is wrong is not repeated: it may be the secret itself."""
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(value, str) and value for value in found.values()):
        mend = 'as in {"SHIPWAY_CATALOGUE": "arn:aws:secretsmanager:..."}'
        raise FunctionUnready("SHIPWAY_SECRETS is no JSON object of variables and secrets", where="SHIPWAY_SECRETS", mend=mend)
    return {str(name): str(value) for name, value in found.items()}


def _fetch(references: Mapping[str, str], region: str) -> dict[str, str]:
    """The values, by the names of their variables. Raises SecretUnread, FunctionUnready."""
    try:
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError
        from botocore.session import Session
    except ModuleNotFoundError as missing:
        what = "to read secrets, botocore is needed, which is not installed"
        raise FunctionUnready(what, where="SHIPWAY_SECRETS", mend="pip install 'shipway[lambda]'") from missing
    config = Config(connect_timeout=_SECONDS, read_timeout=_SECONDS, retries={"total_max_attempts": 3})
    values: dict[str, str] = {}
    client = None
    for name, reference in references.items():
        try:
            client = client or Session().create_client("secretsmanager", region_name=region or None, config=config)
            values[name] = str(client.get_secret_value(SecretId=reference)["SecretString"])
        except (ClientError, BotoCoreError, KeyError) as problem:
            mend = "the function's role reads it by secretsmanager:GetSecretValue, its key by kms:Decrypt, over a way to AWS"
            said = (str(problem).splitlines() or [""])[0][:200]
            raise SecretUnread(f"the secret of {name} cannot be read: {said}", where=reference, mend=mend) from problem
    return values

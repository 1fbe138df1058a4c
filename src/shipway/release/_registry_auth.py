"""Credentials for a registry, and the answers to its challenges. No value of one is ever printed or put into an error.

Credentials are looked for in SHIPWAY_REGISTRY_USER and SHIPWAY_REGISTRY_PASSWORD, then where `docker login` keeps them; without
any, access is anonymous.
"""

from __future__ import annotations

import base64
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from shipway.kernel.canonical import NotCanonical, parse_object
from shipway.kernel.errors import ShipwayError
from shipway.llm import secret_value

_REFERENCE = "secret://"
_PARAMETER = re.compile(r'([a-zA-Z_]+)="((?:[^"\\]|\\.)*)"')


class RegistryCredentials(ShipwayError):
    """Credentials for a registry that cannot be read."""

    code = "release.registry-credentials"


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user and a password; neither is in its text form."""

    user: str = field(repr=False)
    password: str = field(repr=False)

    def basic(self) -> str:
        """The value of an Authorization header (RFC 7617)."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a registry asks for: `basic`, or a `bearer` token that `realm` gives for `service` and `scope`."""

    scheme: str
    realm: str = ""
    service: str = ""
    scope: str = ""


def find_credentials(host: str, environ: Mapping[str, str]) -> Credentials | None:
    """The credentials for a host. A password may be a reference, `secret://env/NAME`.

    Raises RegistryCredentials, SecretMissing.
    """
    user, password = environ.get("SHIPWAY_REGISTRY_USER"), environ.get("SHIPWAY_REGISTRY_PASSWORD")
    if user and password:
        return Credentials(user, secret_value(password, environ) if password.startswith(_REFERENCE) else password)
    folder = environ.get("DOCKER_CONFIG")
    return _of_docker((Path(folder) if folder else Path.home() / ".docker") / "config.json", host)


def parse_challenge(header: str) -> Challenge | None:
    """The first challenge of a WWW-Authenticate header that can be answered (RFC 6750, the registry's token protocol)."""
    scheme, _, rest = header.strip().partition(" ")
    given = {name.lower(): re.sub(r"\\(.)", r"\1", value) for name, value in _PARAMETER.findall(rest)}
    if scheme.lower() == "bearer" and given.get("realm"):
        return Challenge("bearer", given["realm"], given.get("service", ""), given.get("scope", ""))
    return Challenge("basic") if scheme.lower() == "basic" else None


def _of_docker(path: Path, host: str) -> Credentials | None:
    """What `docker login` left: in the file, or with the helper that the file names."""
    if not path.is_file():
        return None
    try:
        config = parse_object(path.read_bytes())
    except (NotCanonical, OSError) as problem:
        raise RegistryCredentials("config.json cannot be read", where=str(path), mend="docker login") from problem
    helpers, auths = config.get("credHelpers"), config.get("auths")
    helper = helpers.get(host) if isinstance(helpers, Mapping) else None
    entry = auths.get(host) if isinstance(auths, Mapping) else None
    if not helper and isinstance(entry, Mapping) and isinstance(entry.get("auth"), str) and entry["auth"]:
        return _decode(str(entry["auth"]), path)
    helper = helper or (config.get("credsStore") if entry is not None else None)
    return _ask_helper(str(helper), host) if helper else None


def _decode(text: str, path: Path) -> Credentials:
    try:
        user, found, password = base64.b64decode(text, validate=True).decode().partition(":")
    except ValueError:
        user, found, password = "", "", ""
    if not found:
        raise RegistryCredentials("an entry of config.json is no user and password", where=str(path), mend="docker login")
    return Credentials(user, password.rstrip("\0"))


def _ask_helper(helper: str, host: str) -> Credentials | None:
    """The program docker-credential-HELPER; it says nothing when it knows no such host."""
    if not re.fullmatch(r"[A-Za-z0-9_-]+", helper):
        raise RegistryCredentials("config.json names a credential helper that cannot be one", mend="docker login")
    program = f"docker-credential-{helper}"
    try:
        asked = subprocess.run([program, "get"], input=host.encode(), capture_output=True, timeout=30, check=False)
        if asked.returncode:
            return None
        answer = parse_object(asked.stdout)
        return Credentials(str(answer["Username"]), str(answer["Secret"]))
    except (OSError, subprocess.TimeoutExpired, NotCanonical, KeyError):
        raise RegistryCredentials(f"{program} gave no credentials", where=host, mend="docker login") from None

"""One run of a tracking server, asked over HTTP as its own client asks; nothing of MLflow is imported."""

from __future__ import annotations

import base64
import urllib.error
import urllib.request
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from shipway.kernel.errors import ShipwayError

_LARGEST = 16 * 2**20  # bytes of an answer; a run with ten thousand metrics has one
_PATIENCE = 20.0  # seconds


class RunUnread(ShipwayError):
    """The tracking server did not answer, or has no such run."""

    code = "tracking.run-unread"
    retry = True


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows nothing: a password must not go to where a server points."""

    def redirect_request(self, *_: object) -> None:
        return None


def fetch_run(url: str, run: str, *, environ: Mapping[str, str]) -> bytes:
    """What `GET /api/2.0/mlflow/runs/get` of a server answers about a run.

    environ: MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and _PASSWORD, are sent when they are there. Raises RunUnread.
    """
    if not _is_address(url):
        raise RunUnread(f"{url!r} is no address of a server", where="MLFLOW_TRACKING_URI", mend="http://HOST:PORT")
    address = f"{url.rstrip('/')}/api/2.0/mlflow/runs/get?run_id={quote(run, safe='')}"
    request = urllib.request.Request(address, headers=_authorization(environ))  # noqa: S310 - http or https, seen above
    try:
        with urllib.request.build_opener(_Stay).open(request, timeout=_PATIENCE) as answer:
            data: bytes = answer.read(_LARGEST + 1)
    except urllib.error.HTTPError as problem:
        raise RunUnread(
            f"the tracking server has no run {run[:40]}: {problem.code}", where=url, mend="see the run's id"
        ) from problem
    except (OSError, ValueError) as problem:
        raise RunUnread(f"the tracking server does not answer: {problem}", where=url) from problem
    if len(data) > _LARGEST:
        raise RunUnread(f"the answer about run {run[:40]} is larger than {_LARGEST:,} bytes", where=url)
    return data


def _is_address(url: str) -> bool:
    try:
        return urlsplit(url).scheme in ("http", "https")
    except ValueError:
        return False


def _authorization(environ: Mapping[str, str]) -> dict[str, str]:
    if token := environ.get("MLFLOW_TRACKING_TOKEN"):
        return {"Authorization": f"Bearer {token}"}
    user = environ.get("MLFLOW_TRACKING_USERNAME")
    if not user:
        return {}
    pair = f"{user}:{environ.get('MLFLOW_TRACKING_PASSWORD', '')}"
    return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}

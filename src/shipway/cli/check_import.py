"""`shipway check import`: what another tool found becomes evidence."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from shipway.cli._output import Misused, Output, json_option
from shipway.cli._settings import Project, Settings

if TYPE_CHECKING:
    from shipway.gate import Bound
    from shipway.kernel.digest import Digest

_FORMATS = ["junit", "sarif", "mlflow", "json"]
_BY_NAME = {".xml": "junit", ".sarif": "sarif"}


@click.command(name="import")
@click.argument("file", required=False)
@click.option("--as", "name", required=True, metavar="NAME", help="The check is called import.NAME; policies ask for that.")
@click.option("--release", default=None, metavar="DIGEST", help="About a release other than the newest candidate.")
@click.option("--subject", default=None, metavar="DIGEST", help="About any object instead, by its whole digest or a ref.")
@click.option("--format", "form", type=click.Choice(_FORMATS), metavar="FORMAT", help="junit, sarif, mlflow or json.")
@click.option("--path", default="", help="Of json: where the number is, as in totals.percent or runs[0].auc.")
@click.option("--metric", default="", metavar="NAME", help="Of mlflow: which metric.")
@click.option("--run", default=None, metavar="ID", help="Ask the tracking server for this run, instead of FILE.")
@click.option("--at-least", type=float, default=None, metavar="X", help="The number passes from X upwards.")
@click.option("--at-most", type=float, default=None, metavar="X", help="The number passes up to X.")
@json_option
@click.pass_obj
def command(
    settings: Settings,
    file: str | None,
    name: str,
    release: str | None,
    subject: str | None,
    form: str | None,
    path: str,
    metric: str,
    run: str | None,
    at_least: float | None,
    at_most: float | None,
    as_json: bool,
) -> None:
    """Keep what another tool found as a signed check: JUnit XML, SARIF, a metric of an MLflow run, a number in any JSON.

    The file is kept and cited. Exits 1 when the check fails, 2 when it decides nothing.
    """
    from shipway.cli._verdicts import render_check
    from shipway.gate import import_check, read_foreign
    from shipway.kernel.check import Verdict
    from shipway.kernel.digest import short

    project, out = Project(settings), Output(as_json)
    chosen = _format(file, form, path=path, metric=metric, run=run)
    bound = _bound(chosen, at_least, at_most)
    about = _about(project, release, subject)
    data = _fetch(project, run) if run else _read(settings.directory / (file or ""))
    found = read_foreign(data, chosen, path=metric or path, bound=bound)
    kept = import_check(project.store, project.signer, project.actor, found, data=data, form=chosen, name=name, subject=about)
    out.say(f"{short(about)}: {render_check(kept.check)}")
    document = {"subject": about, "evidence": kept.envelope, "source": kept.source, "format": chosen, **kept.check.to_json()}
    out.end("check-import", document, then=f"shipway plan   (asked for in the policy by `{kept.check.name}: pass`)")
    if kept.check.verdict is not Verdict.PASS:
        raise click.exceptions.Exit(1 if kept.check.verdict is Verdict.FAIL else 2)


def _format(file: str | None, form: str | None, *, path: str, metric: str, run: str | None) -> str:
    """The format that is meant; raises Misused when the words do not fit it."""
    known = _BY_NAME.get(Path(file or "").suffix.lower())
    chosen = form or known or ("mlflow" if run or metric else "json" if path else None)
    if chosen is None:
        raise Misused(f"which format is {file}?", mend="--format junit, sarif, mlflow or json")
    if (file is None) == (run is None):
        raise Misused("one of FILE and --run is what to import", mend="shipway check import report.xml --as tests")
    wanted = {"json": bool(path), "mlflow": bool(metric)}
    if not wanted.get(chosen, True) or (path and chosen != "json") or ((metric or run) and chosen != "mlflow"):
        raise Misused("json needs --path, mlflow --metric, and neither goes with another format", mend="give that alone")
    return chosen


def _bound(form: str, at_least: float | None, at_most: float | None) -> Bound | None:
    from shipway.gate import Bound

    given = [Bound(value, higher=higher) for value, higher in ((at_least, True), (at_most, False)) if value is not None]
    if len(given) > 1 or (given and form in ("junit", "sarif")):
        raise Misused("one of --at-least and --at-most, for a number", mend="JUnit and SARIF pass when nothing failed")
    if given and not math.isfinite(given[0].threshold):
        raise Misused(f"{given[0].threshold} is no threshold", mend="a number")
    return given[0] if given else None


def _about(project: Project, release: str | None, subject: str | None) -> Digest:
    from shipway.cli._digests import find_release
    from shipway.cli._refs import find_deploy
    from shipway.kernel.digest import is_digest, parse_digest
    from shipway.release import candidate_of

    if release and subject:
        raise Misused("one of --release and --subject", mend="shipway check import --help")
    if subject:
        return parse_digest(subject) if is_digest(subject) else project.store.resolve(subject)
    if release:
        return find_release(project.store, release)
    return candidate_of(project.store, find_deploy(project.spec, None))


def _read(path: Path) -> bytes:
    """The file, not more of it than is read at all. Raises FileUnusable."""
    from shipway.cli._files import FileUnusable
    from shipway.gate import LARGEST

    try:
        with path.open("rb") as file:
            return file.read(LARGEST + 1)
    except OSError as problem:
        raise FileUnusable(
            f"cannot read {path.name}: {problem.strerror}", where=str(path), mend="correct its name"
        ) from problem


def _fetch(project: Project, run: str) -> bytes:
    """What the tracking server answers: the one that the user names, else that of a running `up`. Raises RunUnread."""
    from shipway.operate import tracking_url
    from shipway.tracking import fetch_run

    environ = project.settings.environ
    url = environ.get("MLFLOW_TRACKING_URI") or tracking_url(project.store)
    if not url:
        raise Misused("--run asks a tracking server, and none is named", mend="set MLFLOW_TRACKING_URI, or start shipway up")
    return fetch_run(url, run, environ=environ)

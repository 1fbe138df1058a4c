"""`shipway score`: batch scoring."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from shipway.cli._output import Output, json_option
from shipway.cli._score_places import check_bucket, in_bucket, open_asked, open_given, open_out
from shipway.cli._settings import Project, Settings
from shipway.cli._workers import cores, on_option, workers_on
from shipway.kernel.digest import Digest

if TYPE_CHECKING:
    from shipway.kernel.workers import Workers
    from shipway.operate import Asked, Scored, ScoreTask


@click.command(name="score")
@click.argument("release")
@click.argument("given", metavar="IN")
@click.argument("out", metavar="OUT")
@click.option("--model", default=None, metavar="NAME", help="Which one, where the release has several.")
@click.option("--keep", multiple=True, metavar="COLUMN", help="A column of IN to stand beside the answers; may be repeated.")
@click.option("--batch", default=None, type=click.IntRange(1, 10_000_000), metavar="N", help="Rows at a time; 50000.")
@click.option("--again", is_flag=True, help="Replace OUT, and what another scoring had begun there.")
@on_option
@click.option("--workers", default=None, type=click.IntRange(1, 1024), metavar="N", help="How many work here; one a core.")
@json_option
@click.pass_obj
def command(
    settings: Settings,
    release: str,
    given: str,
    out: str,
    model: str | None,
    keep: tuple[str, ...],
    batch: int | None,
    again: bool,
    on: str,
    workers: int | None,
    as_json: bool,
) -> None:
    """Score the rows of files with a model of a release. Exits 1 when the model fails on some of them.

    RELEASE is a digest, its first digits, or a deployment, which means what is live there. IN is a Parquet, Arrow, CSV or JSON
    lines file, a folder of them, s3://BUCKET/PREFIX, a data set as data/NAME, or sql:NAME for the rows that its query gives
    now; OUT ends in .parquet, .arrow, .csv or .jsonl, here or in a bucket. OUT has the number of each row, the columns kept,
    the answers and the release. A scoring that was killed goes on when it is run again.
    """
    from shipway.kernel.digest import short

    project, said, began = Project(settings), Output(as_json), time.perf_counter()
    asked = open_asked(project, given)
    if asked:
        keep = tuple(dict.fromkeys([*asked.query.key, *keep]))
    task = _task(project, said, release, model=model, keep=keep, batch=batch)
    check_bucket(project, out, replace=again)
    with workers_on(settings, on, workers or cores()) as hands:
        found = _score(project, said, task, asked or given, out, hands=hands, replace=again)
    took = time.perf_counter() - began
    words = f"{found.rows:,} rows by {short(task.release)} in {out}, {took:.1f} s"
    said.say(words + (f", of which {found.again:,} stood from before" if found.again else ""))
    if found.failed:
        said.say(f"{found.failed:,} rows have an error in place of an answer")
    record = {"release": task.release, "model": task.model, "on": on, "rows": found.rows, "failed": found.failed}
    said.end(
        "scored",
        {**record, "again": found.again, "out": out, "seconds": round(took, 3)},
        then=f"shipway release show {short(task.release)}",
    )
    if found.failed:
        raise click.exceptions.Exit(1)


def _task(
    project: Project, said: Output, release: str, *, model: str | None, keep: tuple[str, ...], batch: int | None
) -> ScoreTask:
    from shipway.cli._serving import predictor_environ
    from shipway.operate import BATCH, score_task

    return score_task(
        project.store,
        _find(project, release),
        model=model,
        keep=keep,
        batch=batch or BATCH,
        environ=predictor_environ(project.settings.environ),
        cache=project.cache,
        report=said.note,
    )


def _score(
    project: Project, said: Output, task: ScoreTask, given: Asked | str, out: str, *, hands: Workers, replace: bool
) -> Scored:
    """given: a query, or what IN says of files. What came and what was scored stay until OUT is where it belongs."""
    from shipway.cli._progress import RowReport
    from shipway.operate import score_files, score_query

    stays = in_bucket(out)
    if not isinstance(given, str):
        with open_out(project, out) as target, RowReport(given.name) as report:
            return score_query(task, given, target, workers=hands, tell=report.rows, replace=replace, stays=stays)
    name = given.rstrip("/").rpartition("/")[2]
    with (
        open_given(project, given, out, said.note) as source,
        open_out(project, out) as target,
        RowReport(name) as report,
    ):
        return score_files(
            task, source, target, workers=hands, tell=report.rows, report=said.note, replace=replace, stays=stays
        )


def _find(project: Project, text: str) -> Digest:
    """The release that is named, or is live at the deployment that is."""
    from shipway.cli._digests import find_release
    from shipway.cli._refs import find_deploy
    from shipway.release import deploy_ref

    applications = {deploy.application for deploy in project.spec.deploy.values()}
    if text in applications or ("@" in text and "/" not in text):
        return find_release(project.store, deploy_ref(find_deploy(project.spec, text)))
    return find_release(project.store, text)

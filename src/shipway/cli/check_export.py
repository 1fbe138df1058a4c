"""`shipway check export`: what was found of a release, for tools that know no check of ours."""

from __future__ import annotations

import click

from shipway.cli._output import Output, json_option
from shipway.cli._refs import find_deploy
from shipway.cli._settings import Project, Settings


@click.command(name="export")
@click.argument("deployment", required=False)
@click.option("--release", default=None, metavar="DIGEST", help="A release other than the newest candidate.")
@click.option(
    "-o", "--output", "file", default=None, metavar="FILE", help="Write them there, one a line, instead of on stdout."
)
@json_option
@click.pass_obj
def command(settings: Settings, deployment: str | None, release: str | None, file: str | None, as_json: bool) -> None:
    """Write the checks of a release as in-toto Test Results, one a line.

    All check evidence that counts, about the release and each of its components. The statements cite the signed envelopes; they
    are not signed themselves.
    """
    from shipway.cli._digests import find_release
    from shipway.cli._files import write_whole
    from shipway.gate import load_evidence, render_test_result, subjects_of
    from shipway.kernel import media
    from shipway.kernel.canonical import canonical_json
    from shipway.release import candidate_of

    project, out = Project(settings), Output(as_json)
    deploy = None if release else find_deploy(project.spec, deployment)
    chosen = candidate_of(project.store, deploy) if deploy else find_release(project.store, release or "")
    statements = [
        statement
        for subject in subjects_of(project.store, chosen)
        for statement in load_evidence(project.store, project.keys, subject.digest)
        if statement.predicate_type == media.CHECK_PREDICATE
    ]
    results = [render_test_result(statement) for statement in statements]
    lines = [canonical_json(result) for result in results]
    if file:
        write_whole(settings.directory / file, b"".join(line + b"\n" for line in lines))
        out.say(f"{len(lines)} test results in {file}")
    elif not as_json:
        for line in lines:
            out.say(line.decode())
    out.note(f"{len(lines)} checks of {chosen}")
    out.end("check-export", {"release": chosen, "results": results}, then="shipway plan" if file else None)

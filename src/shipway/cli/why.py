"""`shipway why`: back to evidence."""

from __future__ import annotations

import click

from shipway.cli._output import Output, json_option
from shipway.cli._settings import Project, Settings


@click.command(name="why")
@click.argument("what")
@click.option(
    "--as",
    "meaning",
    type=click.Choice(["ref", "alert", "prediction", "call", "digest"]),
    default=None,
    metavar="KIND",
    help="What the word is: ref, alert, prediction, call or digest.",
)
@json_option
@click.pass_obj
def command(settings: Settings, what: str, meaning: str | None, as_json: bool) -> None:
    """Go back from a ref, a prediction, an alert or a digest to the evidence.

    Of a ref: who moved it there, when and why, on which verdict, policy and evidence, and whether each statement counts; what
    it holds; which run made that from which data and code. Of the id of a prediction or an LLM call: what was asked and
    answered, and the release behind it. Of an alert: the check that opened it, and the moves shortly before. Of a digest, or
    its first four digits: what it is, where it is named, what it came from, what used it.
    """
    from shipway.operate import explain, find_meant
    from shipway.release import render_reason

    project, out = Project(settings), Output(as_json)
    project.use_store_alone()
    meant = find_meant(project.store, what, only=meaning)
    answer = explain(project.store, project.keys, meant)
    for line in render_reason(answer):
        out.say(line)
    then = f"shipway lineage {what}" if meant.kind in ("ref", "digest") else f"shipway why {answer.digest}"
    document = {"asked": what, "meant": meant.kind, "name": meant.name, "answer": answer.to_json()}
    out.end("why", document, then=then if answer.digest or meant.kind == "ref" else "shipway log")

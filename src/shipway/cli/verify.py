"""`shipway verify`: whether a release is what it says, byte by byte and statement by statement."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from shipway.cli._exit import FAILED, INCONCLUSIVE
from shipway.cli._output import Misused, Output, json_option
from shipway.cli._settings import Project, Settings

if TYPE_CHECKING:
    from shipway.kernel.canonical import JsonObject
    from shipway.kernel.errors import ShipwayError
    from shipway.release import Bundle, Freight, Verification


@click.command(name="verify")
@click.argument("release")
@click.option("--for", "deployment", default=None, metavar="APP@ENV", help="Whether it has what the policy asks for this one.")
@click.option("--keys", "folder", default=None, type=click.Path(path_type=Path), help="A folder of keys, instead of yours.")
@json_option
@click.pass_obj
def command(settings: Settings, release: str, deployment: str | None, folder: Path | None, as_json: bool) -> None:
    """Check every byte and every statement of a release or bundle.

    Reads and hashes everything once and names the first thing that is wrong. RELEASE is a folder or a tar that `release
    export` wrote, for which no project is needed, or a digest, its first digits or a ref of the project here. Exits 1 when
    something is wrong, 2 when that cannot be told.
    """
    from shipway.cli._progress import ByteReport
    from shipway.kernel.check import Verdict
    from shipway.kernel.errors import ShipwayError
    from shipway.release import verify_bundle

    out = Output(as_json)
    try:
        bundle = _open(settings, release)
        ref = f"deploy/{deployment.removeprefix('deploy/')}" if deployment else None
        with ByteReport("verify", sum(blob.size for blob, _ in bundle.leaves())) as report:
            found = verify_bundle(bundle, settings.trusted(folder), ref=ref, report=report.bytes)
    except ShipwayError as problem:
        out.note(problem.render())
        out.end("verify", {"verdict": "fail", "releases": [], "wrong": _wrong(problem)})
        raise click.exceptions.Exit(FAILED) from None
    _say(out, bundle, found)
    out.end("verify", _document(bundle, found), then="shipway log")
    if found.verdict is not Verdict.PASS:
        raise click.exceptions.Exit(FAILED if found.verdict is Verdict.FAIL else INCONCLUSIVE)


def _say(out: Output, bundle: Bundle, found: Verification) -> None:
    from shipway.cli._verdicts import render_check
    from shipway.kernel.digest import short

    hashed = found.hashed
    out.say(f"{hashed.blobs:,} blobs, {hashed.bytes:,} bytes hashed at {hashed.rate / 1e6:,.0f} MB/s")
    for freight in bundle.freights:
        mine = [said for said in found.said if said.release == freight.release.digest]
        by = Counter(said.signer for said in mine if said.signer)
        names = "".join(f", {count} by {name}" for name, count in sorted(by.items()))
        out.say(f"release {short(freight.release.digest)}: {len(freight.parts)} components, {len(mine)} statements{names}")
        for said in mine:
            if not said.reading.counts:
                out.say(f"  does not count: {said.reading.name} about {said.about}: {said.reading.why}")
        for one in found.passed:
            if one.release == freight.release.digest:
                out.say(f"  judged {one.record['verdict']} for {one.record['ref']} at {one.record['at']}")
    for answer in found.answers:
        out.say(f"{answer.ref} by policy {short(answer.policy)}: {answer.verdict}")
        for check in answer.judgement.checks:
            out.say(f"  {render_check(check)}")
        for text in answer.unknown:
            out.say(f"  not judged: {text}")
    if found.unchecked:
        out.say(f"no key is trusted here, so {found.unchecked} statements were not checked: name a folder with --keys")
    if found.wrong:
        out.note(found.wrong.render())


def _document(bundle: Bundle, found: Verification) -> dict[str, object]:
    return {
        "verdict": found.verdict.value,
        "releases": [_release(freight, found) for freight in bundle.freights],
        "wrong": _wrong(found.wrong) if found.wrong else None,
        "unchecked": found.unchecked,
        "blobs": found.hashed.blobs,
        "bytes": found.hashed.bytes,
        "seconds": round(found.hashed.seconds, 6),
    }


def _release(freight: Freight, found: Verification) -> JsonObject:
    from shipway.kernel.clock import instant

    digest = freight.release.digest
    answer = next((answer for answer in found.answers if answer.release == digest), None)
    statements: list[JsonObject] = [
        {
            "about": said.about,
            "name": said.reading.name,
            "predicate": said.reading.predicate_type,
            "at": instant(said.reading.at),
            "signer": said.signer,
            "counts": said.reading.counts,
            "why": said.reading.why,
            "evidence": said.reading.envelope,
        }
        for said in found.said
        if said.release == digest
    ]
    judged = [{"ref": one.record["ref"], "verdict": one.verdict} for one in found.passed if one.release == digest]
    asked = None
    if answer:
        checks = [check.to_json() for check in answer.judgement.checks]
        asked = {"ref": answer.ref, "policy": answer.policy, "verdict": answer.verdict.value, "checks": checks}
    return {
        "release": digest,
        "components": len(freight.parts),
        "statements": statements,
        "judged": judged,
        "for": asked,
    }


def _wrong(problem: ShipwayError) -> JsonObject:
    return {"code": problem.code, "what": problem.what, "where": problem.where, "mend": problem.mend}


def _open(settings: Settings, release: str) -> Bundle:
    from shipway.cli._digests import find_release
    from shipway.kernel.errors import ShipwayError
    from shipway.release import open_bundle, open_stored

    path = settings.directory / release
    if path.exists():
        return open_bundle(path)
    project = Project(settings)
    try:
        store = project.store
    except ShipwayError as problem:
        if problem.code != "spec.missing":
            raise
        what = f"{release} is neither a folder nor a file, and there is no project here that could have such a release"
        raise Misused(what, where=str(settings.directory), mend="name the folder or the tar of a bundle") from problem
    return open_stored(store, find_release(store, release))

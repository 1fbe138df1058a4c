"""`shipway rebuild`: make a release again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from shipway.cli._output import Output, json_option
from shipway.cli._settings import Project, Settings

if TYPE_CHECKING:
    from shipway.release import Rebuilt

# a document has all its keys, whatever came out; a proof leaves out what it has not
_WITHOUT: dict[str, object] = {
    "equality": None,
    "model": None,
    "different": None,
    "difference": None,
    "predictions": None,
    "metrics": [],
}


@click.command(name="rebuild")
@click.argument("release")
@click.option("--in", "folder", required=True, type=click.Path(path_type=Path), help="A new folder.")
@click.option(
    "--lock",
    default=None,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Packages to use instead of the release's own: is it equal with them?",
)
@click.option("--offline", is_flag=True, help="Fetch nothing: the wheels kept with the release, or what is cached.")
@json_option
@click.pass_obj
def command(settings: Settings, release: str, folder: Path, lock: Path | None, offline: bool, as_json: bool) -> None:
    """Make a release again in a new folder and say how equal it came out.

    Restores code, data and environment from the store, reading and hashing every byte, runs the pipeline without any
    cache, and prints the strongest equality that holds: bytes, predictions on the golden rows, metrics within
    tolerance, or DIFFERENT. The first component that differs is named and shown. RELEASE is a digest, its first digits, or
    a ref. The proof is kept as evidence. Exits 1 when DIFFERENT. Interrupted, it begins again in the same folder.
    """
    from shipway.cli._digests import find_release
    from shipway.cli._progress import RunReport
    from shipway.kernel.digest import short
    from shipway.release import Equality, attest_rebuild, rebuild_release

    project, out = Project(settings), Output(as_json)
    chosen = find_release(project.store, release)
    rebuilt = rebuild_release(
        project.store,
        chosen,
        settings.directory / folder,
        cache=project.cache,
        report=RunReport(out),
        tolerances={name: model.rebuild for name, model in project.spec.models.items()},
        lock=lock.read_bytes() if lock else None,
        offline=offline,
        keys=project.keys,
    )
    envelope = attest_rebuild(project.store, project.signer, rebuilt)
    out.say(f"release {short(chosen)} rebuilt in {folder}: {rebuilt.equality.value}")
    _say(out, rebuilt)
    out.end("rebuild", {"release": chosen, **_WITHOUT, **rebuilt.to_json(), "evidence": envelope}, then="shipway log")
    if rebuilt.equality is Equality.DIFFERENT:
        raise click.exceptions.Exit(1)


def _say(out: Output, rebuilt: Rebuilt) -> None:
    """The first difference with what it looks like, then how far the model is off."""
    if rebuilt.difference:
        out.say(f"  first difference: {rebuilt.difference.what}")
        for line in rebuilt.difference.lines:
            out.say(f"    {line}")
    if rebuilt.predictions:
        golden = rebuilt.predictions
        out.say(
            f"  golden rows: {golden.different} of {golden.rows} answers differ, at most by {golden.largest:.3g}"
            f" ({golden.tolerance:g} allowed)"
        )
    for metric in rebuilt.metrics:
        verdict = "" if metric.equal else "  too far"
        numbers = f"{metric.before:.6f} -> {metric.after:.6f}  {metric.difference:+.2g} ({metric.tolerance:g} allowed)"
        out.say(f"  {metric.name:<18} {numbers}{verdict}")

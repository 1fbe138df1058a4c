"""`shipway release sign`: models with a signature that a tool of others verifies."""

from __future__ import annotations

from pathlib import Path

import click

from shipway.cli._output import Output, json_option
from shipway.cli._settings import Project, Settings


@click.command(name="sign")
@click.argument("release")
@click.option("-o", "folder", required=True, metavar="DIR", type=click.Path(path_type=Path), help="Where the models go.")
@click.option(
    "--key", "key", default=None, metavar="FILE", type=click.Path(path_type=Path), help="A private ECDSA P-256 key (PEM)."
)
@click.option("--attach", "attached", is_flag=True, help="Let the signatures travel with the release: exports take them along.")
@json_option
@click.pass_obj
def command(settings: Settings, release: str, folder: Path, key: Path | None, attached: bool, as_json: bool) -> None:
    """Write the models of a release with signatures that `model_signing verify key` accepts.

    RELEASE is a digest, its first digits, or a ref. Signs with this machine's key when that is ECDSA P-256, or with --key.
    Every file of a model's folder is signed; a changed, missing or additional one is refused by that tool.
    """
    from shipway.access import open_signer
    from shipway.cli._digests import find_release
    from shipway.kernel import media
    from shipway.release import Attachment, attach, sign_models

    project, out = Project(settings), Output(as_json)
    project.use_store_alone()
    signer = open_signer(settings.directory / key) if key else project.signer
    chosen, place = find_release(project.store, release), settings.directory / folder
    models = []
    for made in sign_models(project.store, signer, chosen, place):
        out.say(f"{made.name}: {made.folder}, signature {made.signature.name}")
        models.append({"name": made.name, "model": made.subject, "folder": str(made.folder), "signature": str(made.signature)})
        if attached:
            data = project.store.put_bytes(made.bundle, media.SIGSTORE)
            attach(project.store, Attachment(made.subject, media.SIGSTORE, made.signature.name, data))
    first, pem = models[0], place / "key.pem"
    then = f"model_signing verify key {first['folder']} --signature {first['signature']} --public_key {pem}"
    document = {"release": chosen, "key": signer.key_id, "public_key": str(pem), "attached": attached, "models": models}
    out.end("sign", document, then=then)

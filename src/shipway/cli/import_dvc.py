"""`shipway import dvc`: a DVC repository becomes a project here, and no data are copied that a second name can serve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING

import click

from shipway.cli._output import Output, json_option
from shipway.cli._settings import Project, Settings

if TYPE_CHECKING:
    from shipway.data.dvc import DvcOut, DvcRepo, Imported
    from shipway.spec import Spec
    from shipway.store import Foreign


@click.command(name="dvc")
@click.option(
    "--remote", default=None, metavar="REMOTE", help="A name or URL: where to fetch what DVC's cache has not; its default."
)
@click.option("--why", default="", help="A line for the history.")
@json_option
@click.pass_obj
def command(settings: Settings, remote: str | None, why: str, as_json: bool) -> None:
    """Take what .dvc files track as snapshots, and point data/NAME at them. DVC's own files stay as they are.

    Bytes come from DVC's cache by a second name for the same file, else from the files that are there, else from the remote;
    each is read once and must be what its MD5 says. Lines are added to shipway.yaml, which is made when there is none.
    """
    from shipway.cli._files import write_whole
    from shipway.data.dvc import open_dvc
    from shipway.kernel.digest import short
    from shipway.spec import parse_spec

    project, out = Project(settings), Output(as_json)
    repo = open_dvc(settings.directory)
    outs, there = repo.outs(), _remote(repo, remote, out)
    spec = _spec(settings, repo)
    path = spec.path if spec else repo.root / "shipway.yaml"
    name = spec.project if spec else _project_name(repo.root)
    known = {(path.parent / data.path).resolve(): data.name for data in spec.data.values()} if spec else {}
    named = _names(repo, outs, known, set(spec.data) if spec else set())
    added = {new: _seen(repo.root / found.path, path.parent) for new, found in named.items() if new not in known.values()}
    pipeline = "dvc.yaml" if (path.parent / "dvc.yaml").is_file() and not (spec and spec.pipeline) else None
    text = _text(path.read_text() if spec else "", project=name, data=added, pipeline=pipeline)
    parse_spec(text, path=str(path))
    project.use_project(path.parent, name)
    rows = []
    with project.store.working():
        taken = {new: _import(project, repo, found, new, remote=there) for new, found in named.items()}
        if not spec or added or pipeline:
            write_whole(path, text.encode())
        for new, one in taken.items():
            moved = _move(project, new, one, why)
            found = one.snapshot
            sizes = f"{found.files:,} files, {found.bytes:,} bytes, {one.linked:,} linked"
            out.say(f"data/{new:<12} {short(found.digest)}  {sizes}, {'moved' if moved else 'as it was'}")
            rows.append(
                {
                    "name": new, "path": one.out.path, "digest": found.digest, "md5": one.out.md5,
                    "files": found.files, "bytes": found.bytes, "linked": one.linked,
                }
            )  # fmt: skip
    document = {"repository": str(repo.root), "spec": str(path), "added": sorted(added), "pipeline": pipeline, "data": rows}
    out.end("dvc-imported", document, then="shipway data status")


def _remote(repo: DvcRepo, name: str | None, out: Output) -> Foreign | None:
    """The remote to fetch from. A default one that is not read is no hindrance: the cache may have everything."""
    from shipway.data.dvc import DvcUnsupported
    from shipway.store import ObjectsAddress

    try:
        return repo.open_remote(name)
    except (DvcUnsupported, ObjectsAddress) as problem:
        if name:
            raise
        out.note(f"{problem.what}: what DVC's cache and the folder have is taken")
        return None


def _spec(settings: Settings, repo: DvcRepo) -> Spec | None:
    """The spec that is here or above, up to the repository; None when there is none."""
    from shipway.spec import load_spec

    directory = settings.directory.absolute()
    for folder in (directory, *directory.parents):
        if (folder / "shipway.yaml").is_file():
            return load_spec(folder / "shipway.yaml")
        if folder == repo.root:
            break
    return None


def _move(project: Project, name: str, one: Imported, why: str) -> bool:
    from shipway.gate import move_ref

    hands, digest = project.hands, one.snapshot.digest
    return move_ref(hands.store, hands.keys, hands.actor, ref=f"data/{name}", target=digest, why=why or "from DVC").changed


def _import(project: Project, repo: DvcRepo, found: DvcOut, name: str, *, remote: Foreign | None) -> Imported:
    from shipway.cli._progress import FileReport
    from shipway.data.dvc import import_out

    with FileReport(name, lambda: found.size or 0) as report:
        return import_out(project.store, repo, found, remote=remote, report=report.file)


def _names(repo: DvcRepo, outs: Sequence[DvcOut], known: Mapping[Path, str], taken: set[str]) -> dict[str, DvcOut]:
    """A name for each out: the spec's own, else from its path, with as much of it as tells it apart."""
    from shipway.spec import legal_form

    found: dict[str, DvcOut] = {}
    for out in outs:
        own = known.get((repo.root / out.path).resolve())
        parts = out.path.split("/")
        parts[-1] = parts[-1].partition(".")[0] or parts[-1]
        tried = [legal_form("-".join(parts[first:])) or f"data-{len(found)}" for first in range(len(parts) - 1, -1, -1)]
        free = (
            name for name in chain(tried, (f"{tried[-1]}-{n}" for n in count(2))) if name not in found | dict.fromkeys(taken)
        )
        found[own or next(free)] = out
    return found


def _seen(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def _project_name(folder: Path) -> str:
    from shipway.spec import legal_form

    return legal_form(folder.name) or "project"


def _text(text: str, *, project: str, data: Mapping[str, str], pipeline: str | None) -> str:
    """The spec with these lines more: below its `data:`, or at its end. Raises Misused where `data:` is on one line."""
    import re

    from shipway.cli._output import Misused

    lines = [f"{name}: {_word(path)}" for name, path in data.items()]
    text = text or f"project: {project}\n"
    if pipeline:
        text = f"{text.rstrip()}\n\npipeline: {pipeline}\n"
    section = re.search(r"^data:[ \t]*(#.*)?$", text, re.MULTILINE)
    if not lines:
        return text
    if section:
        after = re.match(r"(?:\n[ \t]*(?:#.*)?)*\n([ ]+)\S", text[section.end() :])
        indent = after[1] if after else "  "
        return text[: section.end()] + "".join(f"\n{indent}{line}" for line in lines) + text[section.end() :]
    if re.search(r"^data[ \t]*:", text, re.MULTILINE):
        raise Misused("`data:` is written on one line, so nothing is added to it", mend="add " + ", ".join(lines))
    return f"{text.rstrip()}\n\ndata:\n" + "".join(f"  {line}\n" for line in lines)


def _word(path: str) -> str:
    import json
    import re

    plain = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_./-]*", path) and path.lower() not in ("true", "false", "null")
    return path if plain else json.dumps(path, ensure_ascii=False)

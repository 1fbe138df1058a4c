"""`shipway render`: files for other machines."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from shipway.cli._output import Misused, Output, json_option
from shipway.cli._settings import Project, Settings

if TYPE_CHECKING:
    from shipway.deploy import Beside, Files, Subject
    from shipway.kernel.digest import Digest
    from shipway.kernel.errors import ShipwayError
    from shipway.store import Ref

_LOOK_BACK = 100  # moves: the release that was live before is among them, unless only scale and monitors moved since
_IMAGE = re.compile(r"[a-z0-9][a-z0-9./:_-]*@sha256:[0-9a-f]{64}")


@click.command(name="render")
@click.argument("target", metavar="TARGET|all")
@click.option(
    "-o",
    "folder",
    default=None,
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where to; deploy/TARGET.",
)
@click.option("--image", default=None, metavar="REPOSITORY@sha256:...", help="What runs there, pinned by digest.")
@click.option("--plan", default=None, metavar="DIGEST", help="The run plan that a submitted run takes when it is given none.")
@click.option("--check", is_flag=True, help="Write nothing; exit 1 when files differ from what would be written.")
@json_option
@click.pass_obj
def command(
    settings: Settings, target: str, folder: Path | None, image: str | None, plan: str | None, check: bool, as_json: bool
) -> None:
    """Write the files that run this project elsewhere: clusters, clouds, monitoring, CI.

    `all` writes those of every target that the project has a use for and that can express it. The same project gives the
    same bytes. No secret is written: files name where the target keeps its own.
    """
    from shipway.deploy import TARGETS

    project, out = Project(settings), Output(as_json)
    if target != "all" and target not in TARGETS:
        raise Misused(f"there is no target {target}", mend="one of: all, " + ", ".join(TARGETS))
    subject = _subject(project, image, plan)
    if subject.image.endswith("0" * 64):
        out.note("no --image: the files name the digest of no image, and run nowhere before they name one")
    done = _Done({}, {}, [])
    in_use: list[str] = []
    for word in TARGETS if target == "all" else [target]:
        home = settings.directory / (folder or Path("deploy")) / ("" if folder and target != "all" else word)
        files = _files(word, subject, done, out, alone=target != "all")
        if files is None:
            in_use += [word] if word in done.refused and home.exists() else []
            continue
        done.rendered[word] = sorted(files)
        ours = _ours(home, files, TARGETS[word].yours)
        done.differs.extend(_differences(home, ours) if check else _write(home, ours))
        out.say(f"{word:<16} {len(files)} files in {_shown(home, settings)}")
    if in_use:  # what was rendered once is in use: there it is no answer to leave it as it was
        raise done.refused[in_use[0]]
    again = " ".join(
        ["shipway render", target, *(["-o", str(folder)] if folder else []), *(["--image", image] if image else [])]
    )
    _end(out, target, done, again=again, check=check)


class _Done(NamedTuple):
    """Per target the files that it has and why it has none; paths that were written, or would be."""

    rendered: dict[str, list[str]]
    refused: dict[str, ShipwayError]
    differs: list[str]


def _files(word: str, subject: Subject, done: _Done, out: Output, *, alone: bool) -> Files | None:
    """The files of a target; None where there are none, which is an error where nothing else was asked for."""
    from shipway.deploy import CannotExpress, NamesCollide, NothingToRender, render_target

    try:
        return render_target(word, subject)
    except NothingToRender as nothing:
        if alone:
            raise
        out.note(f"{word}: {nothing.what}")
    except (CannotExpress, NamesCollide) as problem:
        if alone:
            raise
        done.refused[word] = problem
        out.note(f"{word}: not written: {problem.what}")
    return None


def _subject(project: Project, image: str | None, plan: str | None) -> Subject:
    from shipway.deploy import UNPINNED, make_subject
    from shipway.kernel.digest import parse_digest
    from shipway.pipeline import read_pipeline, resolve

    spec = project.spec
    if image is not None and not _IMAGE.fullmatch(image):
        raise Misused(f"{image} is no image by digest", mend="REPOSITORY@sha256:... ; a tag may name another one tomorrow")
    repository = spec.targets.image or f"registry.example.com/{spec.project}"
    graph = None
    if spec.pipeline:
        graph = resolve(read_pipeline(spec.root, spec.pipeline), data=spec.data, parameters=spec.parameters, options=spec.steps)
    pinned = image or f"{repository}@{UNPINNED}"
    run_plan = parse_digest(plan) if plan else None
    return make_subject(spec, image=pinned, graph=graph, plan=run_plan, **_live(project)._asdict())


class _Live(NamedTuple):
    """By deployment: what it serves, else the newest release of its application; what it served before; its arms."""

    releases: dict[str, Digest]
    previous: dict[str, Digest]
    beside: dict[str, Beside]


def _live(project: Project) -> _Live:
    """Nothing where there is no store yet."""
    from shipway.release import deploy_ref
    from shipway.store import FOLDER

    found = _Live({}, {}, {})
    if project.settings.catalogue is None and not (project.spec.root / FOLDER).is_dir():
        return found
    for name, deploy in project.spec.deploy.items():
        live, candidate = project.store.ref(deploy_ref(deploy)), project.store.ref(f"release/{deploy.application}")
        if live:
            _note_live(project, found, name, live)
        elif candidate:
            found.releases[name] = candidate.digest
    return found


def _note_live(project: Project, found: _Live, name: str, live: Ref) -> None:
    from shipway.deploy import Beside
    from shipway.gate import arms_in

    (_, release), *arms = arms_in(project.store.get(live.digest, "deployment"))
    found.releases[name] = release
    lives = (record.release for record in project.store.lives(live.name, limit=_LOOK_BACK))
    if other := next((one for one in lives if one and one != release), None):
        found.previous[name] = other
    if arms:
        found.beside[name] = Beside(live.digest, tuple(one for _, one in arms))


def _ours(home: Path, files: Files, yours: str | None) -> Files:
    """The files that are rendered again; what is the project's own is only written where it is missing."""
    return {path: text for path, text in files.items() if not (yours and path.endswith(yours) and (home / path).exists())}


def _differences(home: Path, files: Files) -> list[str]:
    return [path for path, text in files.items() if _read(home / path) != text.encode()]


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _write(home: Path, files: Files) -> list[str]:
    """Write what differs, each file whole or not at all; the paths that were written."""
    from shipway.cli._files import FileUnusable, write_whole

    written = _differences(home, files)
    for path in written:
        place = home / path
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            raise FileUnusable(
                f"cannot make {place.parent}: {problem.strerror}", where=str(place), mend="name another -o"
            ) from problem
        write_whole(place, files[path].encode())
    return written


def _shown(home: Path, settings: Settings) -> str:
    return str(home.relative_to(settings.directory)) if home.is_relative_to(settings.directory) else str(home)


def _end(out: Output, target: str, done: _Done, *, again: str, check: bool) -> None:
    from shipway.deploy import RenderedDiffers

    changed, refused = done.differs, {word: problem.what for word, problem in done.refused.items()}
    if check and changed:
        shown = ", ".join(changed[:3]) + (" and others" if len(changed) > 3 else "")
        raise RenderedDiffers(
            f"{shown} differ from what the project renders", mend=again if "--image" in again else f"{again} --image, as it was"
        )
    document = {"target": target, "files": done.rendered, "written": changed, "refused": refused, "check": check}
    out.end("rendered", document, then=f"{again} --check")

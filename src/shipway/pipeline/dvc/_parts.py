"""Files at a path of the project, kept in the store: what a stage reads and what it has made. DVC's ignore file counts."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import Descriptor
from shipway.store import FileUnreadable, ObjectDamaged, Store, TreeFile

Ignored = Callable[[str, bool], bool]
"""Whether DVC looks away from a path below the project; the second says that it is a folder."""

_OWN = {".dvc", ".git", ".hg", ".shipway"}


@dataclass(frozen=True, slots=True)
class Part:
    """What stands at a path: one file, or the files of a folder by their path in it, which may be none."""

    path: str
    folder: bool
    files: tuple[TreeFile, ...]

    def below(self, root: str = "") -> Iterator[TreeFile]:
        """Its files by their path below the project."""
        for file in self.files:
            yield file._replace(path=f"{root}{self.path}/{file.path}") if self.folder else file._replace(path=root + self.path)

    def content(self, store: Store) -> JsonObject:
        """By its content, for the key of an action: `{"file": digest, "executable"}` or `{"tree": digest}`."""
        if self.folder:
            return {"tree": store.put_listing(self.files).digest}
        (file,) = self.files
        return {"file": file.digest, "executable": file.executable}


def keep_part(store: Store, root: Path, path: str, ignored: Ignored) -> Part | None:
    """Keep what stands at a path below `root`; None when nothing does. Raises FileUnreadable (a link), StoreFull."""
    place = root / path
    if place.is_symlink():
        raise FileUnreadable(f"{path} is a symbolic link", where=str(place), mend="put the file there")
    if place.is_dir():
        return Part(path, True, _kept(store, dict(_files(place, path, ignored))))
    if not place.exists():
        return None
    (file,) = _kept(store, {place.name: place})
    return Part(path, False, (file,))


def put_parts(store: Store, parts: Iterable[Part]) -> Descriptor:
    """One tree with all of these by their paths: the value of a stage."""
    return store.put_listing(file for part in parts for file in part.below())


def part_of(files: Sequence[TreeFile], path: str) -> Part:
    """What a stage's value has at a path; nothing at all is an empty folder."""
    if alone := [file for file in files if file.path == path]:
        return Part(path, False, (alone[0]._replace(path=path.rpartition("/")[2]),))
    head = f"{path}/"
    return Part(path, True, tuple(f._replace(path=f.path.removeprefix(head)) for f in files if f.path.startswith(head)))


def bring_part(store: Store, part: Part, root: Path, verified: set[str]) -> None:
    """Write a part below `root` in the place of what is there. verified: digests that were hashed in this run.

    Raises ObjectMissing, ObjectDamaged.
    """
    place = root / part.path
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)
    if part.folder:
        place.mkdir(parents=True)
    for file in part.below():
        target = root / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        source = store.objects.path(file.digest)
        if file.digest not in verified:
            try:
                source = store.objects.verify(file.digest)
            except ObjectDamaged as problem:
                raise ObjectDamaged(f"{file.path} is damaged in the store", where=problem.where, mend=problem.mend) from problem
            verified.add(file.digest)
        shutil.copyfile(source, target)
        if file.executable:
            target.chmod(0o755)


def read_ignored(root: Path) -> Ignored:
    """By `.dvcignore` of the project: patterns as Git has them, of this one file."""
    place = root / ".dvcignore"
    lines = place.read_text(errors="replace").splitlines() if place.is_file() else []
    rules = [_rule(line) for line in lines if line.strip() and not line.startswith("#")]

    def ignored(path: str, folder: bool) -> bool:
        hidden = False
        for pattern, only_folders, shown in rules:
            if (folder or not only_folders) and pattern.fullmatch(path):
                hidden = not shown
        return hidden

    return ignored


def _rule(line: str) -> tuple[re.Pattern[str], bool, bool]:
    line = line.rstrip()
    shown = line.startswith("!")
    line = line[1:] if shown else line.removeprefix("\\")
    only_folders = line.endswith("/")
    line = line.rstrip("/")
    anchored = "/" in line
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[[^\]]+\])", line.lstrip("/"))
    words = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    text = "".join(
        words.get(part) or (part if part.startswith("[") and part.endswith("]") else re.escape(part)) for part in parts
    )
    return re.compile(text if anchored else f"(?:.*/)?{text}"), only_folders, shown


def _files(folder: Path, below: str, ignored: Ignored) -> Iterator[tuple[str, Path]]:
    """Files below a folder by their path in it."""
    for place, folders, files in os.walk(folder):
        here = os.path.relpath(place, folder)
        head = "" if here == "." else f"{here}/"
        folders[:] = sorted(name for name in folders if name not in _OWN and not ignored(f"{below}/{head}{name}", True))
        for name in (*sorted(files), *(name for name in folders if os.path.islink(f"{place}/{name}"))):
            if ignored(f"{below}/{head}{name}", False):
                continue
            path = Path(place) / name
            if path.is_symlink():
                raise FileUnreadable(f"{below}/{head}{name} is a symbolic link", where=str(path), mend="put the file there")
            yield f"{head}{name}", path


def _kept(store: Store, files: dict[str, Path]) -> tuple[TreeFile, ...]:
    return tuple(sorted(store.tree(store.put_files(files, md5=True).digest), key=lambda file: file.path)) if files else ()

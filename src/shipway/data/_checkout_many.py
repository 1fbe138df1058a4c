"""A snapshot brought into an empty folder: by all cores, each of which reads, looks and brings folders of its own.

Nothing is there to be compared or lost, so no list of all files is made. First all objects are looked at, then the first file
comes; where anything is wrong the ordinary checkout goes on, which says what it is.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from shipway.data._link import Bringer, Way
from shipway.kernel.digest import Digest
from shipway.store import Columns, FileObjects, look_then_do, read_columns, read_entries

_FOLDERS = 16  # folders that are worth no further look for more: they are dealt to hands, with all below them
_SLICE = 500  # files of one folder that one hand brings
_PIECE = 64  # files that are brought between two looks at how much was done
_TOLD = 0.1  # seconds after which a hand says what it did: oftener, it would only wake who listens, on a core that works
_SAID = 16  # bytes of it: how many files, how they came, their bytes

_WAYS = tuple(Way)


class Brought(NamedTuple):
    """Files and bytes that came, and in which ways; whole: all of them did."""

    files: int
    bytes: int
    ways: frozenset[Way]
    whole: bool


class _Share(NamedTuple):
    """A folder with all below it, or some of the files of one that is there. below: its path, with a slash at its end."""

    below: str
    node: Digest
    files: range | None = None


class _Files(NamedTuple):
    """Files of a folder that were looked at, and the names of their objects below the root. made: the folder is there."""

    below: str
    made: bool
    files: Columns
    sources: Sequence[str]


def bring_all(
    objects: FileObjects, root: Path, node: Digest, staging: Path, way: Way, report: Callable[[str, int], None] | None
) -> Brought:
    """Bring a whole tree into an empty folder. staging: a folder of the same file system. Costs two calls a file, on all cores.

    Raises what reading the first nodes raises, before anything changes; of any other fault what came is not whole.
    """
    shares, made = _shares(objects, node)
    came = [0, 0]
    ways: set[Way] = set()

    def tell(said: bytes) -> None:
        files, size = int.from_bytes(said[:4], "little"), int.from_bytes(said[8:], "little")
        came[0], came[1] = came[0] + files, came[1] + size
        ways.update(one for at, one in enumerate(_WAYS) if said[4] & 1 << at)
        if report:
            for number in range(files):
                report("", 0 if number else size)

    def make() -> None:
        for below in made:
            os.mkdir(root / below)

    with closing(_Brigade(objects, root, staging, way)) as brigade:
        whole = look_then_do(shares, brigade.look, brigade.do, size=_SAID, between=make, tell=tell)
    return Brought(came[0], came[1], frozenset(ways), whole)


def _shares(objects: FileObjects, node: Digest) -> tuple[list[_Share], list[str]]:
    """What is dealt, and the folders that have to be there before: those whose own files are dealt in slices."""
    waiting, shares, made = [_Share("", node)], list[_Share](), list[str]()
    while waiting and len(waiting) < _FOLDERS:
        one = waiting.pop(0)
        entries = read_entries(objects.get(one.node))
        files = sum(entry.executable is not None for entry in entries)
        shares += [_Share(one.below, one.node, range(low, min(low + _SLICE, files))) for low in range(0, files, _SLICE)]
        waiting += [_Share(f"{one.below}{entry.name}/", entry.digest) for entry in entries if entry.executable is None]
        made += [one.below] if one.below else []
    return [*shares, *waiting], made


class _Unsaid:
    """What a hand has done and not said yet."""

    def __init__(self) -> None:
        self._files = self._bytes = self._ways = 0
        self._said = time.monotonic()

    def add(self, sizes: Sequence[int], ways: set[Way]) -> None:
        self._files += len(sizes)
        self._bytes += sum(sizes)
        for way in ways:
            self._ways |= 1 << _WAYS.index(way)

    @property
    def is_old(self) -> bool:
        return time.monotonic() - self._said > _TOLD

    def say(self) -> bytes:
        said = self._files.to_bytes(4, "little") + self._ways.to_bytes(4, "little") + self._bytes.to_bytes(8, "little")
        self._files = self._bytes = self._ways = 0
        self._said = time.monotonic()
        return said


class _Brigade:
    """What each hand does with its shares."""

    def __init__(self, objects: FileObjects, root: Path, staging: Path, way: Way) -> None:
        self._objects, self._root, self._staging, self._way = objects, os.fspath(root), os.fspath(staging), way
        self._handle = os.open(objects.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._read: tuple[Digest | None, Columns] = None, Columns((), (), (), ())

    def close(self) -> None:
        os.close(self._handle)

    def look(self, _hand: int, shares: Sequence[_Share]) -> list[_Files]:
        """Raises OSError where an object is not there as it should be, and what reading a node raises."""
        found: list[_Files] = []
        waiting = list(shares)
        while waiting:
            share = waiting.pop()
            inside = self._inside(share.node)
            files = inside.files()
            if share.files is not None:
                files = files.part(share.files.start, share.files.stop)
            elif files is not inside:
                folders = zip(inside.names, inside.digests, inside.executable, strict=True)
                waiting += [_Share(f"{share.below}{name}/", node) for name, node, bit in folders if bit is None]
            sources = self._objects.find_here(files.digests, files.sizes, self._handle)
            found.append(_Files(share.below, share.files is not None, files, sources))
        return sorted(found, key=lambda files: files.below)  # a folder before those in it

    def _inside(self, node: Digest) -> Columns:
        """Of slices of one folder only the first reads it."""
        if self._read[0] != node:
            self._read = node, read_columns(self._objects.get(node))
        return self._read[1]

    def do(self, hand: int, found: list[_Files]) -> Iterator[bytes]:
        own = Path(self._staging, str(hand))
        own.mkdir()
        bringer, unsaid = Bringer(self._way, own), _Unsaid()
        for below, made, files, sources in found:
            folder = f"{self._root}/{below}"
            if not made:
                os.mkdir(folder)
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                for low in range(0, len(sources), _PIECE):
                    some = files.part(low, low + _PIECE)
                    unsaid.add(some.sizes, self._bring(bringer, handle, folder, some, sources[low : low + _PIECE]))
                    if unsaid.is_old:
                        yield unsaid.say()
            finally:
                os.close(handle)
        yield unsaid.say()

    def _bring(self, bringer: Bringer, handle: int, folder: str, files: Columns, sources: Sequence[str]) -> set[Way]:
        """Hard links by names below open folders, which is quicker than by whole paths."""
        ways, links, link, objects = set[Way](), self._way is Way.HARDLINK, os.link, self._handle
        for name, executable, source in zip(files.names, files.executable, sources, strict=True):
            if links and not executable:
                try:
                    link(source, name, src_dir_fd=objects, dst_dir_fd=handle)
                    continue
                except OSError as problem:
                    if problem.errno != errno.EMLINK:
                        raise
            ways.add(bringer.bring(f"{self._objects.root}/{source}", f"{folder}{name}", executable=bool(executable)))
        return ways or {Way.HARDLINK}

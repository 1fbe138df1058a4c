"""A bundle in a tar, read strictly.

Our own reader of tar headers, because the standard library's one ends quietly at a header that it cannot read, follows
extended headers of any size, and forgives what nobody may change in a bundle. A tar of a bundle needs none of that: plain
files with short names, and zeros to the next 512 bytes.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from shipway.kernel.digest import Digest, is_digest
from shipway.release._bundle import MAX_BLOBS, BundleDamaged, BundleMalformed
from shipway.release._layout_source import INDEX, LAYOUT, Files, Place, chunks_of

_BLOCK = 512
_BLOBS = "blobs/sha256/"
_FOLDERS = frozenset({"", ".", "blobs", "blobs/sha256"})
_PACKED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
_KINDS = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a device",
    b"4": "a device",
    b"6": "a pipe",
    b"x": "an extended header",
    b"g": "an extended header",
    b"L": "a long name",
    b"K": "a long name",
    b"S": "a sparse file",
}


def open_tar(path: Path) -> Files:
    """The files of a bundle in a plain tar. Raises BundleMalformed, BundleDamaged for one that is cut short."""
    path = path.resolve()
    try:
        with open(path, "rb", buffering=0) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise BundleMalformed(f"{path.name} is neither a folder nor a file", where=str(path))
            found = _places(path, file.fileno())
    except OSError as problem:
        raise BundleMalformed(f"cannot read {path.name}: {problem.strerror}", where=str(path)) from problem
    blobs = {_digest(name): place for name, place in found.items() if name.startswith(_BLOBS)}
    return Files(str(path), blobs, {name: found[name] for name in (LAYOUT, INDEX) if name in found})


def _digest(name: str) -> Digest:
    return Digest("sha256:" + name.removeprefix(_BLOBS))


def _places(path: Path, handle: int) -> dict[str, Place]:
    found: dict[str, Place] = {}
    offset, end = 0, os.fstat(handle).st_size
    while header := os.pread(handle, _BLOCK, offset):
        if not any(header):
            _check_end(path, offset, end)
            return found
        name, size, folder = _entry(path, header, first=offset == 0)
        offset += _BLOCK
        if folder:
            continue
        if name in found:
            raise _wrong(path, name, "comes twice")
        if offset + size + -size % _BLOCK > end:
            raise BundleDamaged(f"{path.name} is cut short, in {name}", where=str(path), mend="get the bundle again")
        if any(os.pread(handle, -size % _BLOCK, offset + size)):
            raise _wrong(path, name, "is followed by something else than zeros")
        found[name] = Place(path, offset, size)
        offset += size + -size % _BLOCK
        if len(found) > MAX_BLOBS:
            raise BundleMalformed(f"{path.name} holds more than {MAX_BLOBS:,} files", where=str(path))
    raise BundleDamaged(f"{path.name} is cut short", where=str(path), mend="get the bundle again")


def _check_end(path: Path, offset: int, end: int) -> None:
    """Two blocks of zeros, and nothing but zeros after them."""
    if end - offset < 2 * _BLOCK:
        raise BundleDamaged(f"{path.name} is cut short at its end", where=str(path), mend="get the bundle again")
    if any(any(chunk) for chunk in chunks_of(Place(path, offset, end - offset))):
        raise BundleMalformed(f"{path.name} has something behind its end", where=str(path))


def _entry(path: Path, header: bytes, *, first: bool) -> tuple[str, int, bool]:
    """Name, size in bytes, and whether it is a folder."""
    packed = next((name for magic, name in _PACKED.items() if header.startswith(magic)), None)
    if first and packed:
        raise BundleMalformed(f"{path.name} is packed with {packed}", where=str(path), mend=f"unpack it with {packed} first")
    if len(header) < _BLOCK or header[257:262] != b"ustar" or not _sums_up(header):
        raise BundleMalformed(f"{path.name} is no plain tar, or is damaged in a header", where=str(path))
    name = os.fsdecode(header[:100].partition(b"\0")[0])
    kind = header[156:157]
    if kind in _KINDS:
        mend = "a bundle holds plain files: pack it with tar --format=ustar"
        raise BundleMalformed(f"{name} in {path.name} is {_KINDS[kind]}", where=str(path), mend=mend)
    clean = name.removeprefix("./").rstrip("/") if kind == b"5" else name.removeprefix("./")
    if clean.startswith("/") or ".." in clean.split("/"):
        raise _wrong(path, name, "climbs out of the bundle")
    if kind == b"5" and clean in _FOLDERS:
        return clean, 0, True
    is_blob = clean.startswith(_BLOBS) and is_digest("sha256:" + clean.removeprefix(_BLOBS))
    if kind not in (b"0", b"\0") or any(header[345:500].rstrip(b"\0")) or not (is_blob or clean in (INDEX, LAYOUT)):
        raise _wrong(path, name, "is no part of a bundle")
    return clean, _number(path, name, header[124:136]), False


def _sums_up(header: bytes) -> bool:
    """Whether the header has the sum that it says, written as everybody writes it."""
    return header[148:156] == b"%06o\0 " % (sum(header) - sum(header[148:156]) + 8 * 0x20)


def _number(path: Path, name: str, field: bytes) -> int:
    """Octal digits; from 8 GiB on, GNU tar's binary form."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.rstrip(b"\0 ")
    if not digits or not set(digits) <= set(b"01234567"):
        raise _wrong(path, name, "has no size")
    return int(digits, 8)


def _wrong(path: Path, name: str, what: str) -> BundleMalformed:
    return BundleMalformed(f"{name!r} in {path.name} {what}", where=str(path), mend="get the bundle again from whoever made it")

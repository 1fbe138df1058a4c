"""A model that is a folder, as one file: a zip of stored members in the order of their paths, without dates."""

from __future__ import annotations

import atexit
import io
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from shipway.models._model import ModelUnknown, ModelUntrusted

_MEMBERS = 100_000


def pack_folder(files: Mapping[str, bytes]) -> bytes:
    """Files by path; equal files give equal bytes. Raises ModelUnknown for a path that is no portable one."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(files):
            _check_path(path)
            entry = zipfile.ZipInfo(path, (1980, 1, 1, 0, 0, 0))
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            archive.writestr(entry, files[path])
    return buffer.getvalue()


def unpack_folder(data: bytes) -> Path:
    """A new folder with these files, which is gone when the process ends. Raises ModelUntrusted, ModelUnknown.

    Nothing is written outside of it.
    """
    files = read_folder(data)
    folder = temporary_folder()
    try:
        for path, content in files.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
    except (OSError, ValueError) as problem:
        raise ModelUnknown(f"the folder of the model cannot be read: {problem}") from problem
    return folder


def read_folder(data: bytes) -> dict[str, bytes]:
    """Its files by path. Raises ModelUntrusted, ModelUnknown.

    Members are stored as they are, each in a place of its own, so that what comes out is no larger than data.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            _check_members(members, len(data))
            return {member.filename: archive.read(member) for member in members}
    except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError, ValueError) as problem:
        raise ModelUnknown(f"the folder of the model cannot be read: {problem}") from problem


def temporary_folder() -> Path:
    """An empty folder that is gone when the process ends."""
    folder = Path(tempfile.mkdtemp(prefix="shipway-model-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _check_members(members: list[zipfile.ZipInfo], size: int) -> None:
    if len(members) > _MEMBERS:
        raise ModelUntrusted(f"the folder of the model has {len(members):,} files; {_MEMBERS:,} are allowed")
    if len({member.filename for member in members}) != len(members):
        raise ModelUntrusted("the folder of the model has a file twice")
    for member in members:
        _check_path(member.filename)
        kind = stat.S_IFMT(member.external_attr >> 16)
        if member.compress_type != zipfile.ZIP_STORED or kind not in (0, stat.S_IFREG) or member.flag_bits & 1:
            raise ModelUntrusted(f"{member.filename[:80]!r} in the folder of the model is no plain stored file")
    if sum(member.file_size for member in members) > size:
        raise ModelUntrusted("the files of the model's folder are larger than it: they lie over each other")


def _check_path(path: str) -> None:
    parts = PurePosixPath(path).parts
    plain = bool(parts) and path == "/".join(parts) and path.isprintable() and not {"\\", ":"} & set(path)
    if not plain or path.startswith("/") or {".", ".."} & set(parts):
        raise ModelUntrusted(f"{path[:80]!r} leads out of the folder of the model, or is no name on every system")

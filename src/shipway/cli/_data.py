"""What a person types for data sets and their snapshots."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from shipway.cli._settings import Project
from shipway.kernel.digest import Digest, is_digest, parse_digest
from shipway.kernel.errors import ShipwayError, nearest

Data_co = TypeVar("Data_co", covariant=True)

if TYPE_CHECKING:  # a Protocol costs a millisecond to make
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Protocol

    class DataByName(Protocol[Data_co]):
        """A spec or its outline."""

        @property
        def path(self) -> Path: ...
        @property
        def data(self) -> Mapping[str, Data_co]: ...


class DataUnknown(ShipwayError):
    """The spec has no data set of that name."""

    code = "cli.data-unknown"


class SnapshotUnknown(ShipwayError):
    """Words that name no snapshot, or more than one."""

    code = "cli.snapshot-unknown"


def chosen_data(spec: DataByName[Data_co], names: tuple[str, ...]) -> list[Data_co]:
    """The data sets of these names, all without one. Raises DataUnknown."""
    for name in names:
        if name not in spec.data:
            near = nearest(name, list(spec.data)) or ", ".join(spec.data)
            mend = f"did you mean {near}?" if near else f"add it under data: as in {name}: FOLDER"
            raise DataUnknown(f"the spec has no data {name}", where=str(spec.path), mend=mend)
    return [data for name, data in spec.data.items() if not names or name in names]


def bring_here(project: Project, digest: Digest, *, name: str) -> int:
    """The files of a snapshot of data in place, brought into the store where they are not; how many came."""
    if "in_place" not in project.store.get(digest, "snapshot"):
        return 0
    from shipway.cli._progress import FileReport
    from shipway.data.in_place import bring_files

    with FileReport(name) as report:
        came = bring_files(project.store, digest, report=report.each)
    return came.files if came else 0


def find_snapshot(project: Project, text: str) -> Digest:
    """The snapshot of `NAME`, of `NAME~2` (two moves before), of `RELEASE:NAME`, of a digest or its first digits.

    Raises SnapshotUnknown (also for one that `data gc` removed), ReleaseUnknown, ReleaseMalformed, RefMissing.
    """
    from shipway.store import REMOVED

    digest = _find(project, text)
    removed = None if project.store.objects.has(digest) else project.store.state(REMOVED, digest)
    if removed:
        what = f"the snapshot {text} was removed by {removed.value.get('by')} on {str(removed.value.get('at'))[:10]}"
        raise SnapshotUnknown(what, where=digest, mend=f"where a remote has it: shipway data pull --at {digest}")
    return digest


def _find(project: Project, text: str) -> Digest:
    if is_digest(text):
        digest = parse_digest(text)
        return _checked(project, digest) if project.store.objects.has(digest) else digest
    release, colon, name = text.removeprefix("sha256:").rpartition(":")
    if colon:
        return _in_release(project, release, name)
    base, tilde, back = text.removeprefix("data/").partition("~")
    if project.store.ref(f"data/{base}") is not None:
        return (
            _moved_to(project, f"data/{base}", int(back) if back.isdecimal() else 1)
            if tilde
            else project.store.resolve(f"data/{base}")
        )
    digits = text.removeprefix("sha256:")
    found = [digest for digest in project.store.find_objects(digits) if _is_snapshot(project, digest)]
    if len(found) == 1:
        return found[0]
    what = f"{len(found)} snapshots begin with {digits!r}" if found else f"no snapshot is called {text!r}"
    raise SnapshotUnknown(
        what, where=project.outline.project, mend="say NAME, NAME~1, RELEASE:NAME or a digest: shipway data log NAME"
    )


def _in_release(project: Project, release: str, name: str) -> Digest:
    from shipway.cli._digests import find_release
    from shipway.release import find_component, load_components

    return find_component(load_components(project.store, find_release(project.store, release)), "data", name).digest


def _moved_to(project: Project, ref: str, back: int) -> Digest:
    records = project.store.lives(ref, limit=back + 1)
    if len(records) <= back:
        what = f"{ref} moved {len(records):,} times, so there is none {back:,} before"
        raise SnapshotUnknown(what, where=project.outline.project, mend=f"shipway data log {ref.removeprefix('data/')}")
    target = records[back].target
    assert target is not None, "a move that was made has a target"
    return target


def _checked(project: Project, digest: Digest) -> Digest:
    project.store.get(digest, "snapshot")
    return digest


def _is_snapshot(project: Project, digest: Digest) -> bool:
    try:
        project.store.get(digest, "snapshot")
    except ShipwayError:
        return False
    return True

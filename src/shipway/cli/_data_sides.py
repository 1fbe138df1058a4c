"""The two sides of a comparison of data, as a person names them: files and folders, snapshots, refs, releases' data."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from shipway.cli._settings import Project, Settings

if TYPE_CHECKING:
    from shipway.data import Asked, DataSide
    from shipway.kernel.canonical import JsonObject
    from shipway.kernel.digest import Digest
    from shipway.release import RefReview
    from shipway.store import FileDigests


class Sides:
    """Opens what is asked for. Two paths need no project."""

    def __init__(self, settings: Settings, before: str, after: str | None, project: Project | None = None) -> None:
        self.before, self.after, self._settings = before, after, settings
        self.alone = after is not None and is_path(settings, before) and is_path(settings, after)
        self.project = project or Project(settings)
        self._report: Callable[[int], None] | None = None

    @property
    def folder(self) -> Path:
        """Where what is known of files, and comparisons, are kept."""
        return self.project.cache / "data" if self.alone else self.project.store.root / "cache"

    @property
    def name(self) -> str:
        """The data set that is meant, empty when only paths are: its contract says what names a row."""
        for text in (self.after or self.before, self.before):
            if not is_path(self._settings, text):
                return text.rpartition(":")[2].removeprefix("data/").partition("~")[0].partition("@")[0]
        return ""

    @property
    def then(self) -> str:
        """The next command worth typing."""
        return "shipway data status" if not self.alone else "shipway init"

    def asked(self, key: tuple[str, ...], *, files: bool, whole: bool) -> Asked:
        """What to go by: these columns, or what the contract of the data set says names a row."""
        from shipway.data import Asked

        contract = None if self.alone or not self.name else self._contract()
        if contract is not None and not key:
            unique = contract.get("unique")
            first = unique[0] if isinstance(unique, list) and unique else []
            return Asked(
                tuple(map(str, first)) if isinstance(first, list) else (), contract=contract, whole=whole, rows=not files
            )
        return Asked(key, must=bool(key), contract=contract, whole=whole, rows=not files)

    def _contract(self) -> JsonObject | None:
        """That of the policy in force, else that of the spec."""
        from shipway.gate import policy_in_force

        digest = policy_in_force(self.project.store).contracts.get(self.name)
        if digest is not None:
            return self.project.store.get(digest, "contract")
        data = self.project.spec.data.get(self.name)
        return data.contract.to_json() if data and data.contract else None

    def open(self, *, quiet: bool) -> tuple[DataSide, DataSide]:
        """Raises DataMissing, DataUnreadable, SnapshotUnknown, DataUnknown, ObjectMissing. quiet: shows no progress."""
        from shipway.cli._progress import ByteReport

        with ByteReport("files", self._bytes, quiet=quiet) as report:
            self._report = report.each
            after = self._side(self.after) if self.after is not None else self._on_disk(self._place, self.name)
            return self._side(self.before), after

    @cached_property
    def _place(self) -> Path:
        """Where the data set is that is meant."""
        from shipway.cli._data import chosen_data

        (data,) = chosen_data(self.project.spec, (self.name,))
        return self.project.spec.root / data.path

    def _bytes(self) -> int:
        """Of all files that are on disk."""
        from shipway.data import bytes_below

        texts = (text for text in (self.before, self.after) if text and is_path(self._settings, text))
        places = [self._settings.directory / text for text in texts]
        return sum(map(bytes_below, places if self.after is not None else [*places, self._place]))

    def _side(self, text: str) -> DataSide:
        if is_path(self._settings, text):
            return self._on_disk(self._settings.directory / text, text)
        from shipway.cli._data import find_snapshot
        from shipway.data import snapshot_side

        return snapshot_side(self.project.store, find_snapshot(self.project, text), label=text)

    def _on_disk(self, path: Path, label: str) -> DataSide:
        from shipway.data import disk_side

        return disk_side(path, self._digests, label=label)

    @cached_property
    def _digests(self) -> FileDigests:
        from shipway.store import FileDigests

        return FileDigests(self.folder, self._report)


def review_of(project: Project, name: str, target: Digest | None = None) -> tuple[RefReview, JsonObject | None]:
    """What waits at `data/NAME`, or another snapshot, and what differs in it from what it is looked at beside.

    None where there is nothing beside it, or a snapshot that was removed. Raises RefMissing, DataUnreadable, ObjectMissing.
    """
    from shipway.data import compare_data, snapshot_side
    from shipway.release import load_review
    from shipway.store import ObjectMissing, RefMissing

    ref = f"data/{name}"
    review = load_review(project.store, project.keys, project.actor, ref, target)
    if review is None:
        raise RefMissing(f"nothing stands or waits at {ref}", where=ref, mend=f"shipway data snapshot {name}")
    if review.before is None:
        return review, None
    after = snapshot_side(project.store, review.target, label=name)
    asked = Sides(project.settings, name, name, project).asked((), files=False, whole=True)
    try:
        before = snapshot_side(project.store, review.before, label=name)
        return review, compare_data(before, after, asked, folder=project.store.root / "cache")
    except ObjectMissing:
        if review.waits:
            raise
        return review, None  # the past may be gone; what stands can be looked at without it


def is_path(settings: Settings, text: str) -> bool:
    """A path begins with `.` or `/`, or is a file that is there; what else it may be is a name."""
    return text.startswith((".", "/")) or (settings.directory / text).is_file()

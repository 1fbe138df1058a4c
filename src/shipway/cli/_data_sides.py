"""The two sides of a comparison of data, as a person names them: files and folders, snapshots, refs, releases' data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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

    def open(self, *, quiet: bool, rows: bool = False) -> tuple[DataSide, DataSide]:
        """quiet: shows no progress; rows: bring the bytes of data in place, too.

        Raises DataMissing, DataUnreadable, SnapshotUnknown, DataUnknown, ObjectMissing, and of data in place what their source
        raises.
        """
        texts = (self.before, self.after) if self.after is not None else (self.before,)
        found = {text: self._snapshot(text) for text in texts if not is_path(self._settings, text)}
        now = self._now(found[self.before]) if self.after is None and self.before in found else None
        if now is not None:
            return now
        placed = [digest for digest in found.values() if self._is_in_place(digest)]
        if rows or len(placed) == 1:  # beside files only bytes can be compared
            self._bring(placed)
        from shipway.cli._progress import ByteReport

        with ByteReport("files", self._bytes, quiet=quiet) as report:
            self._report = report.each
            after = self._side(self.after, found) if self.after is not None else self._on_disk(self._place, self.name)
            return self._side(self.before, found), after

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

    def _snapshot(self, text: str) -> Digest:
        from shipway.cli._data import find_snapshot

        return find_snapshot(self.project, text)

    def _is_in_place(self, digest: Digest) -> bool:
        from shipway.data import read_in_place

        return read_in_place(self.project.store, digest) is not None

    def _bring(self, digests: list[Digest]) -> None:
        from shipway.cli._data import bring_here

        for digest in digests:
            bring_here(self.project, digest, name=self.name)

    def _now(self, before: Digest) -> tuple[DataSide, DataSide] | None:
        """A snapshot of data in place, and what is there now; None for data that are on this disk."""
        from shipway.data import listed_side, read_in_place
        from shipway.pipeline import open_place

        found, data = read_in_place(self.project.store, before), self.project.spec.data.get(self.name)
        if found is None or data is None or data.place is None:
            return None
        there = open_place(self.project.spec, data.place).look()
        return listed_side(found, label=self.before, snapshot=before), listed_side(there, label=data.name)

    def _side(self, text: str, found: Mapping[str, Digest]) -> DataSide:
        """found: the snapshots of both sides, by what they are called."""
        from shipway.data import snapshot_side

        if text not in found:
            return self._on_disk(self._settings.directory / text, text)
        beside = next((digest for name, digest in found.items() if name != text), None)
        return snapshot_side(self.project.store, found[text], label=text, beside=beside)

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
        before = snapshot_side(project.store, review.before, label=name, beside=review.target)
        if not before.readable:
            after = snapshot_side(project.store, review.target, label=name, beside=review.before)
        return review, compare_data(before, after, asked, folder=project.store.root / "cache")
    except ObjectMissing:
        if review.waits:
            raise
        return review, None  # the past may be gone; what stands can be looked at without it


def is_path(settings: Settings, text: str) -> bool:
    """A path begins with `.` or `/`, or is a file that is there; what else it may be is a name."""
    return text.startswith((".", "/")) or (settings.directory / text).is_file()

"""The one door: objects, trees, refs, evidence, logs, state and lineage of one project."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from shipway.kernel import media
from shipway.kernel.canonical import Json, JsonObject, canonical_json, parse_object, text_of_name
from shipway.kernel.clock import Clock, Ids, RandomIds, SystemClock, instant
from shipway.kernel.digest import Descriptor, Digest
from shipway.kernel.errors import ShipwayError
from shipway.store import _reader as reader
from shipway.store._catalogue import Writer
from shipway.store._faults import disk_fault
from shipway.store._hashed import hash_file
from shipway.store._justify import allows
from shipway.store._migrations import HEAD, KNOWN
from shipway.store._objects import FileObjects, Objects
from shipway.store._place import (
    MARK,
    OBJECTS_MARK,
    Catalogue,
    Elsewhere,
    has_objects,
    mark,
    marked_at,
    open_catalogue,
    open_objects,
)
from shipway.store._sums import Sums
from shipway.store._tree import TreeFile, put_listing, tree_nodes, walk_tree
from shipway.store._types import (
    CatalogueDamaged,
    MoveUnjustified,
    Named,
    ObjectsOther,
    ObjectUnexpected,
    Ref,
    RefMissing,
    StoreMissing,
    newer,
    refuse_unfit,
)
from shipway.store._work import Work

if TYPE_CHECKING:
    from shipway.store._rows import AuditRecord, Edge, EvidenceRow, EvidenceSeen, NewAudit, Place, StateRow
    from shipway.store._scan import Scan
    from shipway.store._share import Shared
    from shipway.store._stat_cache import StatCache
    from shipway.store._tree_write import TreeWriter

FOLDER = ".shipway"


class Store:
    """Logs as files below `root`, objects there or in a bucket, rows in the catalogue. Not for use by two threads."""

    def __init__(self, root: Path, project: str, *, clock: Clock, ids: Ids, catalogue: Catalogue, objects: Objects) -> None:
        self.root, self.project, self.clock, self.ids = root, project, clock, ids
        self.objects = objects
        self._catalogue = catalogue
        self._work = Work(root)

    # objects

    def put(self, value: JsonObject) -> Digest:
        """Keep an object: its canonical JSON, with `kind` and `version` inside."""
        if not {"kind", "version"} <= value.keys() and "schemaVersion" not in value:
            raise ObjectUnexpected("an object carries its kind and version", mend="add kind and version")
        self._work.begin()
        return self.objects.put(canonical_json(value))

    def put_bytes(self, data: bytes, media_type: str = media.BYTES) -> Descriptor:
        """Keep bytes as a leaf."""
        self._work.begin()
        return Descriptor(media_type, self.objects.put(data), len(data))

    def put_file(self, path: Path, media_type: str = media.BYTES) -> Descriptor:
        """Keep a file as a leaf, read once."""
        self._work.begin()
        digest, size = self.objects.put_file(path)
        return Descriptor(media_type, digest, size)

    def get(self, digest: Digest, kind: str | None = None, *, version: int = 1) -> dict[str, Json]:
        """An object, verified, of this `kind` and `version`. Raises ObjectMissing, ObjectDamaged, ObjectUnexpected."""
        value = parse_object(self.objects.get(digest))
        if kind is not None and value.get("kind") != kind:
            raise ObjectUnexpected(f"{digest} is a {value.get('kind', 'thing without kind')}, not a {kind}")
        if kind is not None and value.get("version") != version:
            what = f"{digest} is a {kind} of version {value.get('version')}, and this Shipway reads version {version}"
            raise ObjectUnexpected(what, mend="upgrade Shipway")
        return value

    def descriptor(self, digest: Digest, media_type: str) -> Descriptor:
        """The descriptor of an object that is in the store."""
        return Descriptor(media_type, digest, len(self.objects.get(digest)))

    def find_objects(self, prefix: str) -> list[Digest]:
        """Objects and leaves whose hexadecimal digits begin so; give at least four of them."""
        return self.objects.find(prefix)

    # trees

    def put_tree(
        self,
        folder: Path,
        *,
        report: Callable[[str, int], None] | None = None,
        md5: bool = False,
        beside: Callable[[], None] | None = None,
    ) -> tuple[Descriptor, TreeWriter]:
        """The hash tree of a folder or a file; the writer says how many files and bytes there were and were read.

        md5: also keep the MD5 of each file that is read, out of the same pass; beside: done once while large files are hashed,
        and not at all where none are.
        """
        from shipway.store._tree_write import TreeWriter

        self._work.begin()
        sums: dict[Digest, str] = {}
        writer = TreeWriter(self.objects, self._stat_cache, report, md5s=sums if md5 else None, beside=beside)
        try:
            return writer.put(folder), writer
        finally:
            self._stat_cache.save()
            self.sums.add(sums)

    def put_files(self, files: Mapping[str, Path], *, md5: bool = False) -> Descriptor:
        """The hash tree of these files, keyed by their path below its root. md5: as of put_tree."""
        from shipway.store._tree_write import TreeWriter

        self._work.begin()
        sums: dict[Digest, str] = {}
        try:
            return TreeWriter(self.objects, self._stat_cache, md5s=sums if md5 else None).put_files(dict(files))
        finally:
            self._stat_cache.save()
            self.sums.add(sums)

    def put_listing(self, files: Iterable[TreeFile]) -> Descriptor:
        """The hash tree of files whose bytes are objects already. No files: an empty folder."""
        self._work.begin()
        return put_listing(self.objects, files)

    def digest_of(self, path: Path | bytes, status: os.stat_result | None = None) -> Digest:
        """The digest of a file on disk: known from its stat when nothing changed since it was last read, else read now.

        path: as bytes it is absolute; status: of it, taken just now.
        """
        status = status or os.stat(path)
        digest = self._stat_cache.find(path, status)
        if digest is None:
            digest = hash_file(Path(os.fsdecode(path)))
            self._stat_cache.add(path, status, digest)
        return digest

    def look(self, folder: Path) -> Scan:
        """A folder on disk as its stats show it. Raises OSError for what cannot be listed."""
        from shipway.store._scan import scan_folder

        path = os.fsencode(folder.absolute())
        self._stat_cache.load(path)
        return scan_folder(path)

    def node_of(self, scan: Scan, below: Sequence[Digest | None]) -> Digest | None:
        """The node of a folder whose folders have these, where no file in it has changed since it was remembered."""
        seen = self._stat_cache.node(scan.path)
        same = seen and seen.below == ",".join(map(str, below)) and seen.signature == scan.signature
        return seen.digest if seen and same else None

    def remember_node(
        self, scan: Scan, node: Descriptor, below: Sequence[Digest], digests: Sequence[Digest], *, at: int
    ) -> None:
        """What was found by comparing each file of a folder. digests: of the files; at: before the scan, as time.time_ns()."""
        from shipway.store._stat_cache import NodeSeen, is_settled, known_as

        seen_files = scan.files
        if all(is_settled(file, at) for file in seen_files):
            files = {text_of_name(file[0]): known_as(file, one) for file, one in zip(seen_files, digests, strict=True)}
            seen = NodeSeen(scan.signature, ",".join(below), node.digest, node.size)
            self._stat_cache.put(scan.path, files, seen)

    def save_digests(self) -> None:
        """Remember what digest_of had to read."""
        self._stat_cache.save()

    def tree(self, root: Digest) -> Iterator[TreeFile]:
        """Every file of a hash tree."""
        return walk_tree(self.objects, root)

    def tree_nodes(self, root: Digest) -> Iterator[tuple[Digest, bytes]]:
        """Every folder node of a hash tree with its bytes."""
        return tree_nodes(self.objects, root)

    # refs and audit

    def ref(self, name: str) -> Ref | None:
        return reader.find_ref(self._query, self.project, name)

    def resolve(self, name: str) -> Digest:
        """What a ref points at; raises RefMissing."""
        found = self.ref(name)
        if found is None:
            raise RefMissing(f"{name} points at nothing yet", where=self.project, mend="list what exists with: shipway log")
        return found.digest

    def refs(self, prefix: str = "") -> list[Ref]:
        return reader.list_refs(self._query, self.project, prefix)

    def history(self, resource: str | None = None, *, before: int | None = None, limit: int = 100) -> list[AuditRecord]:
        """Audit records of one resource (or all), newest first; refused moves are among them."""
        return reader.list_audit(self._query, self.project, resource, before=before, limit=limit)

    def lives(
        self,
        ref: str,
        release: Digest | None = None,
        *,
        target: Digest | None = None,
        before: int | None = None,
        limit: int | None = None,
    ) -> list[AuditRecord]:
        """Records of the moves that were made of a ref, newest first, found by index: all, or those that put this release live.

        target: only those to this very object. before: an audit id to page on from.
        """
        return reader.list_lives(self._query, self.project, ref, release, target=target, before=before, limit=limit)

    def targets(self, resources: str, begins: str) -> list[Digest]:
        """Digests that begin with `begins`, targets of records whose resource begins with `resources`; at most 100, sorted."""
        return reader.list_targets(self._query, self.project, resources=resources, begins=begins)

    def audit(self, number: int) -> AuditRecord | None:
        return reader.find_audit(self._query, self.project, number)

    def place_at(self, ref: str, at: datetime) -> Place:
        """Where a ref was at an instant, and which move ended it; by the order of the records, see docs/format.md."""
        from shipway.store._rows import Place

        return Place(*reader.place_at(self._query, self.project, ref, instant(at)))

    def moves_after(self, number: int, *, limit: int = 1000) -> list[AuditRecord]:
        """Moves that succeeded, of all refs, oldest first, from the one after this audit id."""
        return reader.list_moves(self._query, self.project, after=number, limit=limit)

    def moved_after(self, number: int) -> list[tuple[Digest, int]]:
        """What refs were moved to after an audit id: each object once, with its newest record's id, in the order of these."""
        return reader.list_moved(self._query, self.project, after=number)

    def naming(self, digest: Digest, *, limit: int = 100) -> list[AuditRecord]:
        """Records that moved a ref to this object or put this release live, or tried to, or that this verdict judged.

        Newest first. Looks through the whole history: it is for questions that a person asks.
        """
        return reader.list_naming(self._query, self.project, digest, limit=limit)

    def move(self, record: NewAudit, *, expected: Digest | None, seen: EvidenceSeen | None = None) -> int:
        """Move a ref with the verdict that allows exactly this move.

        seen: the evidence before whoever judged. Raises MoveUnjustified, RefMoved, RevocationArrived.
        """
        policy = self._justify(record, expected)
        with self._committed():
            return self._writer.move(record, expected=expected, policy=policy, seen=seen)

    def record(self, record: NewAudit) -> int:
        """Keep an audit record that moves nothing."""
        return self._writer.record(record)

    # evidence, state, lineage

    def add_evidence(self, row: EvidenceRow) -> None:
        with self._committed():
            self._writer.add_evidence(row)

    def evidence(self, subject: Digest, *, predicate: str | None = None) -> list[EvidenceRow]:
        """Statements about one digest, oldest first; predicate: those of that type, or of one that could not be read."""
        return reader.list_evidence(self._query, self.project, subject, predicate=predicate)

    def evidence_seen(self, subjects: Iterable[Digest]) -> EvidenceSeen:
        """Up to where evidence about these is there now: to be asked before it is read, so that a move can say what it knew."""
        wanted = tuple(dict.fromkeys(subjects))
        from shipway.store._rows import EvidenceSeen

        return EvidenceSeen(wanted, max((reader.last_evidence(self._query, self.project, one) for one in wanted), default=0))

    def envelopes(self) -> list[Digest]:
        """The object of every statement that is kept, in order."""
        return reader.list_envelopes(self._query, self.project)

    def state(self, kind: str, key: str) -> StateRow | None:
        return reader.find_state(self._query, self.project, kind, key)

    def states(self, kind: str, prefix: str = "") -> list[StateRow]:
        return reader.list_state(self._query, self.project, kind, prefix)

    def put_state(self, kind: str, key: str, value: JsonObject, *, expected: int | None = None) -> None:
        """Write one row; `expected` is the version it must have (0: none yet). Raises StateConflict."""
        with self._committed():
            self._writer.put_state(kind, {key: value}, now=instant(self.clock.now()), expected=expected)

    def put_states(self, kind: str, rows: Mapping[str, JsonObject]) -> None:
        """Write many rows of one kind in one transaction."""
        with self._committed():
            self._writer.put_state(kind, rows, now=instant(self.clock.now()), expected=None)

    def delete_state(self, kind: str, key: str) -> None:
        self._writer.delete_state(kind, key)

    def add_edges(self, edges: list[Edge]) -> None:
        self._writer.add_edges(edges)

    def edges_from(self, source: Digest) -> list[Edge]:
        return reader.list_edges(self._query, self.project, source=source, target=None)

    def edges_to(self, target: Digest) -> list[Edge]:
        return reader.list_edges(self._query, self.project, source=None, target=target)

    # logs and places

    def log_folder(self, stream: str) -> Path:
        """Where the segments and tables of one log of this project are; made when missing."""
        folder = self.root / "logs" / self.project / stream
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def share(self, stream: str, folder: Path, *, suffix: str) -> Shared:
        """Where objects are in a bucket, unite files of a log with those of all machines: see share_files. Nothing elsewhere.

        folder: has files that never change, each named by who made it. Raises ObjectsDown, ObjectsRefused, ObjectDamaged.
        """
        from shipway.store._share import Shared, share_files

        if self.objects.bucket is None:
            return Shared(0, 0)
        prefix, today = f"logs/{self.project}/{stream}", self.clock.now().date()
        return share_files(self.objects.bucket, folder, prefix, suffix=suffix, today=today)

    def hold(self, name: str) -> AbstractContextManager[bool]:
        """Whether no other machine does what this names; held until the end of the block or of this process.

        Of a catalogue in a file always True: it is one machine's, and a lock on a file serves its processes. Raises
        CatalogueDown, CatalogueRefused.
        """
        return self._catalogue.hold(f"shipway {self.project} {name}")

    def remove_objects(self, digests: Iterable[Digest]) -> None:
        """Take objects away, one after the other, inside of `alone`. Raises ObjectsOther where they are in a bucket."""
        if not isinstance(self.objects, FileObjects):
            what = "objects in a bucket are not removed: other machines may be about to name them"
            raise ObjectsOther(what, where=self.objects.where, mend="remove old snapshots where the objects are files")
        for digest in digests:
            self.objects.remove(digest)

    def working(self) -> AbstractContextManager[None]:
        """No object is removed until the end of the block: for work of several steps. Raises StoreBusy."""
        return self._work.shared()

    def alone(self) -> AbstractContextManager[None]:
        """Nobody else puts, copies or runs until the end of the block: for who removes objects. Raises StoreBusy."""
        return self._work.alone()

    def named(self) -> Iterator[Named]:
        """Every digest that a row of any project names, but for edges, which remember and need nothing."""
        return reader.list_named(self._query)

    def again(self) -> Store:
        """A second handle on this store, for another thread."""
        rows, objects = self._catalogue.again(), self.objects.again()
        return Store(self.root, self.project, clock=self.clock, ids=self.ids, catalogue=rows, objects=objects)

    def close(self) -> None:
        self._work.end()
        self.__dict__.pop("_writer", None)
        self._catalogue.close()
        self.objects.close()

    # inside

    @contextmanager
    def _committed(self) -> Iterator[None]:
        """A row that names objects: they are on the disk before it, and safe from removal until it is there."""
        self.objects.sync()
        yield
        self._work.end()

    @cached_property
    def sums(self) -> Sums:
        """The MD5 of objects that another tool knows by it."""
        return Sums(self.root / "cache" / "md5.sqlite")

    @cached_property
    def _stat_cache(self) -> StatCache:
        from shipway.store._stat_cache import StatCache

        return StatCache(self.root / "cache")

    def _query(self, sql: str, parameters: Mapping[str, reader.Value]) -> Sequence[Sequence[reader.Value]]:
        refuse_unfit(parameters.values())
        return self._catalogue.query(sql, parameters)

    @cached_property
    def _writer(self) -> Writer:
        return self._catalogue.writer(self.project)

    def _justify(self, record: NewAudit, expected: Digest | None) -> str | None:
        """The policy that judged this exact move, when it allowed it. Raises MoveUnjustified."""
        if record.verdict is None:
            raise MoveUnjustified(f"{record.resource} moves only with a verdict", where=record.resource)
        verdict = self.get(record.verdict, "verdict")
        if not allows(
            verdict,
            project=self.project,
            ref=record.resource,
            source=expected,
            target=record.target,
            action=record.action,
        ):
            raise MoveUnjustified(
                f"the verdict does not allow this move of {record.resource}", where=record.verdict, mend="judge the move again"
            )
        policy = verdict.get("policy")
        return str(policy) if policy and not verdict.get("returning") else None


def open_store(
    root: Path,
    project: str,
    *,
    catalogue: str | None = None,
    objects: str | None = None,
    cache: Path | None = None,
    cache_bytes: int | None = None,
    create: bool = False,
    clock: Clock | None = None,
    ids: Ids | None = None,
) -> Store:
    """The store in `<root>/.shipway`, made or migrated when needed.

    catalogue: its address when it is in PostgreSQL; objects: theirs when they are in a bucket, which the folder remembers;
    cache: where copies of those are, and cache_bytes how many bytes they may take. Raises StoreMissing, StoreNewer, StoreFull,
    StoreReadOnly, CatalogueDamaged, CatalogueOther, CatalogueMoved, CatalogueAddress, CatalogueRefused, CatalogueDown,
    ObjectsOther, ObjectsAddress, and when the bucket is new to the folder ObjectsRefused, ObjectsDown. Without the address of a
    catalogue that is elsewhere the objects can be had, and CatalogueOther is raised by whatever needs a row.
    """
    folder = root / FOLDER
    rows = open_catalogue(folder, catalogue)
    kept = open_objects(folder, objects, cache, cache_bytes)
    store = Store(folder, project, clock=clock or SystemClock(), ids=ids or RandomIds(), catalogue=rows, objects=kept)
    if isinstance(rows, Elsewhere):
        return store
    try:
        _prepare(store, rows, create=create, marked=catalogue is not None)
    except OSError as problem:
        rows.close()
        raise disk_fault(problem, root) or problem from problem
    except BaseException:
        rows.close()
        raise
    return store


def _prepare(store: Store, rows: Catalogue, *, create: bool, marked: bool) -> None:
    """Make what is missing of a store and bring its catalogue to the newest revision."""
    folder, found = store.root, rows.revision()
    if found is None and not create and not folder.is_dir():
        raise StoreMissing(f"no store in {folder.parent}", where=str(folder), mend="shipway init")
    if found is None and (marked_at(folder, MARK) if marked else _had_rows(folder)):
        found = _not_lost(store, rows)
    if found is not None and found not in KNOWN:
        raise newer(found, rows.where)
    _check_bucket(store)
    if found != HEAD or not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".gitignore").write_text("*\n")
    if found != HEAD:
        rows.migrate(store.objects.root)
    if marked:  # last: a marked folder whose catalogue has no tables has lost it
        mark(folder, MARK, rows.where)
    if not isinstance(store.objects, FileObjects):
        mark(folder, OBJECTS_MARK, store.objects.where)


def _had_rows(folder: Path) -> bool:
    """Whether a folder whose catalogue is a file has had one: objects are put, and a bucket is remembered, after its tables."""
    return has_objects(folder) or marked_at(folder, OBJECTS_MARK) is not None


def _not_lost(store: Store, rows: Catalogue) -> str:
    """The revision of a catalogue that was made between two looks. Raises CatalogueDamaged: what had rows is empty or gone."""
    found = rows.revision()
    if found is None:
        what = "the catalogue is empty or gone, and this store had one: its history would begin anew"
        mend = f"restore the catalogue from a backup, or move {store.root} away to begin with nothing"
        raise CatalogueDamaged(what, where=rows.where, mend=mend)
    return found


def _check_bucket(store: Store) -> None:
    """A bucket that the folder does not know yet is there: a name with a typo would be remembered."""
    if isinstance(store.objects, FileObjects) or marked_at(store.root, OBJECTS_MARK):
        return
    store.objects.find("0000")


def list_projects(root: Path, *, catalogue: str | None = None) -> list[str]:
    """The projects that have refs in the store of a folder; none when there is no store, or nothing that can be read."""
    try:
        rows = open_catalogue(root / FOLDER, catalogue)
        with closing(rows):
            known = rows.revision() is not None
            return reader.list_projects(rows.query) if known else []
    except (ShipwayError, sqlite3.DatabaseError):
        return []

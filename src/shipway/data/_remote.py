"""Snapshots sent to a remote and fetched from it. Moves no ref: whoever asked does that, through the gate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from shipway.data._errors import DataUnreadable, RemoteAhead, RemoteEmpty
from shipway.data._snapshot import root_of
from shipway.kernel import media
from shipway.kernel.canonical import JsonObject, NotCanonical
from shipway.kernel.digest import Descriptor, Digest, is_digest
from shipway.store import (
    TREE,
    Brought,
    Node,
    ObjectDamaged,
    ObjectMissing,
    Remote,
    Seen,
    Store,
    bring,
    read_node,
    while_working,
)

Start = Callable[[int], Callable[[int], None]]
_SNAPSHOT = media.media_type("snapshot")


@dataclass(frozen=True, slots=True)
class Transfer:
    """A snapshot that is now on both sides, and what had to be copied for it."""

    snapshot: Digest
    objects: int
    copied: int
    bytes: int


def remote_snapshot(remote: Remote, project: str, name: str) -> Digest | None:
    """The snapshot that was pushed last under the name of a data set. Raises DataUnreadable for what cannot be read."""
    return _look(remote, project, name)[0]


def _look(remote: Remote, project: str, name: str) -> tuple[Digest | None, Seen]:
    key = _key(project, name)
    try:
        value, seen = remote.named(key)
    except NotCanonical:
        value, seen = {}, None
    if value is None and seen:
        return None, seen
    found = value.get("snapshot") if value else None
    wrong = not value or (value.get("kind"), value.get("version")) != ("pushed", 1)
    if wrong or seen is None or not isinstance(found, str) or not is_digest(found):
        what = f"what the remote has under {key} names no snapshot"
        raise DataUnreadable(what, where=remote.where, mend="push it again with --force, or upgrade Shipway")
    return Digest(found), seen


@while_working
def send_snapshot(
    store: Store, remote: Remote, snapshot: Digest, *, verify: bool = False, start: Start | None = None
) -> Transfer:
    """Copy to the remote what of a snapshot it has not: files, then folders from below, then the snapshot.

    verify: hash what the remote has, and send anew what is damaged. Doing it again goes on. Raises ObjectMissing and
    ObjectDamaged before or while it copies, ObjectsDown, ObjectsRefused, StoreFull.
    """
    record = store.get(snapshot, "snapshot")
    folders, files = _listing(record) if "in_place" in record else _parts(store, root_of(store, snapshot))
    top = Descriptor(_SNAPSHOT, snapshot, len(store.objects.get(snapshot)))
    done = bring(store.objects, remote.objects, files, verify=verify, start=start)
    for level in (*reversed(folders), [top]):
        done = _sum(done, bring(store.objects, remote.objects, level, verify=verify))
    return Transfer(snapshot, *done)


@while_working
def fetch_snapshot(store: Store, remote: Remote, snapshot: Digest, *, start: Start | None = None) -> Transfer:
    """Copy from the remote what of a snapshot is not here, each byte hashed; the snapshot comes last.

    Raises RemoteEmpty when the remote has not all of it, ObjectDamaged for wrong bytes, ObjectsDown, ObjectsRefused, StoreFull.
    """
    try:
        data = _get(store, remote, snapshot)
        record = _snapshot(data, snapshot, remote)
        if "in_place" in record:
            folders, files = _listing(record)
        else:
            folders, files = _parts(store, Descriptor.from_json(record["root"]).digest, remote=remote)
        done = bring(remote.objects, store.objects, files, start=start)
        for level in reversed(folders):
            done = _sum(done, bring(remote.objects, store.objects, level))
        done = _sum(done, bring(remote.objects, store.objects, [Descriptor(_SNAPSHOT, snapshot, len(data))]))
    except ObjectMissing as problem:
        what = f"the remote has not all of snapshot {snapshot}: {problem.what}"
        raise RemoteEmpty(what, where=remote.where, mend="push it again from a machine that has it") from problem
    return Transfer(snapshot, *done)


def check_name(store: Store, remote: Remote, name: str, snapshot: Digest, *, known: Callable[[Digest], bool]) -> Seen:
    """Whether a push may point the remote's name of a data set at a snapshot: to be asked before anything is sent.

    known: whether this side once had a snapshot under the name. Returns what was there, for publish_name. Raises RemoteAhead
    when the remote has a snapshot that this side never had.
    """
    there, seen = _look(remote, store.project, name)
    if there is not None and there != snapshot and not known(there):
        what = f"the remote has a newer {name}, snapshot {there}, that was never here"
        raise RemoteAhead(what, where=remote.where, mend=f"shipway data pull {name} first, or give --force")
    return seen


def publish_name(store: Store, remote: Remote, name: str, snapshot: Digest, *, seen: Seen | None = None) -> None:
    """Point the remote's name of a data set at a snapshot that was sent. seen: what check_name said; None: whatever is there.

    Raises RemoteAhead when somebody else pushed the data set in between; what was sent stays there.
    """
    value: JsonObject = {"kind": "pushed", "version": 1, "snapshot": snapshot}
    if not remote.put_name(_key(store.project, name), value, seen=seen):
        what = f"somebody else pushed {name} while this was sent; theirs is the remote's, and what was sent is there too"
        raise RemoteAhead(what, where=remote.where, mend=f"shipway data pull {name}, then push again, or give --force")


def _parts(store: Store, root: Digest, *, remote: Remote | None = None) -> tuple[list[list[Descriptor]], list[Descriptor]]:
    """Folder nodes by depth, the root first, and the files of a tree; nodes that are not here are asked of the remote."""
    files: dict[Digest, Descriptor] = {}
    seen = {root}
    level, levels = [root], list[list[Descriptor]]()
    while level:
        found: list[Descriptor] = []
        below: list[Digest] = []
        for digest in level:
            data = _get(store, remote, digest) if remote else store.objects.get(digest)
            node: Node = read_node(data)
            found.append(Descriptor(TREE, digest, len(data)))
            files |= {file.digest: Descriptor(media.BYTES, file.digest, file.size) for file in node.files}
            new = [target.digest for target in node.folders.values() if target.digest not in seen]
            seen.update(new)
            below += dict.fromkeys(new)
        levels.append(found)
        level = below
    return levels, list(files.values())


def _listing(record: JsonObject) -> tuple[list[list[Descriptor]], list[Descriptor]]:
    """Of a snapshot of data in place nothing but the list of what is there; the bytes stay where they are."""
    return [], [Descriptor.from_json(record["listing"])]


def _get(store: Store, remote: Remote, digest: Digest) -> bytes:
    try:
        return store.objects.get(digest)
    except (ObjectMissing, ObjectDamaged):
        return remote.objects.get(digest)


def _snapshot(data: bytes, digest: Digest, remote: Remote) -> JsonObject:
    from shipway.kernel.canonical import parse_object

    value = parse_object(data)
    if value.get("kind") != "snapshot" or value.get("version") != 1:
        what = f"{digest} is a {value.get('kind')} of version {value.get('version')}, not a snapshot that is read here"
        raise DataUnreadable(what, where=remote.where, mend="name a snapshot, or upgrade Shipway")
    return value


def _sum(one: Brought, other: Brought) -> Brought:
    return Brought(one.objects + other.objects, one.copied + other.copied, one.bytes + other.bytes)


def _key(project: str, name: str) -> str:
    return f"data/{project}/{name}.json"

"""The code component: the entry file and the local modules that it can reach, as an object of the store, and back."""

from __future__ import annotations

from pathlib import Path

from shipway.kernel.digest import Descriptor, Digest
from shipway.pipeline._closure import reachable
from shipway.pipeline._imports import parse_source, read_source
from shipway.store import ObjectUnexpected, Store


def code_object(store: Store, root: Path, entry: str) -> Digest:
    """Puts `{"kind":"code","version":1,"entry","root"}`: the entry and what it reaches below root, nothing else.

    Raises PipelineMalformed for a file that is no Python.
    """
    tree = parse_source(read_source(root, entry), entry)
    files = {entry, *reachable([tree], root, entry)}
    folder = store.put_files({path: root / path for path in sorted(files)})
    return store.put({"kind": "code", "version": 1, "entry": entry, "root": folder.to_json()})


def checkout_code(store: Store, code: Digest, folder: Path) -> str:
    """Writes the files of a code object below `folder`; the entry's path. Raises ObjectMissing, ObjectDamaged."""
    record = store.get(code, "code")
    if record.get("version") != 1:
        raise ObjectUnexpected(f"{code} is code of version {record.get('version')}, not 1", mend="upgrade Shipway")
    checkout_tree(store, Descriptor.from_json(record["root"]).digest, folder)
    return str(record["entry"])


def checkout_tree(store: Store, root: Digest, folder: Path) -> None:
    """Writes every file of a hash tree below `folder`, verified. Raises ObjectMissing, ObjectDamaged."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in store.tree(root):
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(store.objects.get(file.digest))
        if file.executable:
            path.chmod(0o755)

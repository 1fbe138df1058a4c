"""Bundles that somebody made wrong, on purpose or not: one clear error that names the entry, and nothing is named.

Whatever byte of a bundle changes, verifying it tells.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import tarfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from bundle_help import Yard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipway.kernel.canonical import canonical_json
from shipway.kernel.digest import Digest, digest_bytes
from shipway.kernel.errors import ShipwayError
from shipway.release import (
    Attachment,
    BundleDamaged,
    BundleMalformed,
    Freight,
    ImportUnnamed,
    attach,
    hash_bundle,
    import_bundle,
    open_bundle,
    verify_bundle,
    write_folder,
    write_tar,
)


@dataclass
class Made:
    """A bundle that is right, as a folder and as a tar, and the yard that it came from."""

    yard: Yard
    release: Digest
    folder: Path
    tar: Path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    base = tmp_path_factory.mktemp("made")
    yard = Yard(base / "yard")
    release = yard.release()
    yard.live(release)
    freight = yard.freight(release)
    write_folder(yard.store, freight, base / "out", copy=True)
    write_tar(yard.store, freight, base / "out.tar")
    return Made(yard, release, base / "out", base / "out.tar")


class Forged:
    """A copy of the bundle in a folder, to be made wrong."""

    def __init__(self, made: Made, folder: Path) -> None:
        shutil.copytree(made.folder, folder)
        self.folder, self.made = folder, made
        self.blobs = folder / "blobs" / "sha256"

    @property
    def freight(self) -> Freight:
        return self.made.yard.freight(self.made.release)

    def path(self, digest: Digest) -> Path:
        return self.blobs / digest.removeprefix("sha256:")

    def json(self, digest: Digest) -> Any:
        return json.loads(self.path(digest).read_bytes())

    def put(self, value: Any) -> tuple[Digest, int]:
        data = value if isinstance(value, bytes) else canonical_json(value)
        digest = digest_bytes(data)
        self.path(digest).write_bytes(data)
        return digest, len(data)

    def relabel(self, change: Callable[[Any], None]) -> None:
        """A release made otherwise, its attachments left out, in an index that is as ours."""
        index = self.json(self.made.release)
        change(index)
        digest, size = self.put(index)
        tag = {"org.opencontainers.image.ref.name": digest.removeprefix("sha256:")[:12]}
        entry = {"mediaType": index["mediaType"], "digest": digest, "size": size, "annotations": tag}
        entry["artifactType"] = "application/vnd.shipway.release.v1+json"
        self.index({"schemaVersion": 2, "mediaType": index["mediaType"], "manifests": [entry]})

    def index(self, value: Any) -> None:
        (self.folder / "index.json").write_bytes(value if isinstance(value, bytes) else canonical_json(value))

    def forge_component(self, kind: str, change: Callable[[Any, Any], None]) -> None:
        """Another object, and a manifest that names it: change is given the object and the manifest."""

        def swap(index: Any) -> None:
            entry = next(e for e in index["manifests"] if e["annotations"]["dev.shipway.kind"] == kind)
            manifest = self.json(entry["digest"])
            record = self.json(manifest["config"]["digest"])
            change(record, manifest)
            digest, size = self.put(record)
            manifest["config"] |= {"digest": digest, "size": size}
            entry["annotations"]["dev.shipway.object"] = digest
            digest, size = self.put(manifest)
            entry |= {"digest": digest, "size": size}

        self.relabel(swap)


@pytest.fixture
def forged(made: Made, tmp_path: Path) -> Forged:
    return Forged(made, tmp_path / "forged")


def verify(path: Path) -> None:
    bundle = open_bundle(path)
    hash_bundle(bundle)


def refused(path: Path, words: str, kind: type[ShipwayError] = BundleMalformed) -> None:
    """Verify and import say the same one thing, and an import names nothing."""
    with pytest.raises(kind, match=words):
        verify(path)
    yard = Yard(path.parent / "importer")
    with pytest.raises(kind, match=words):
        import_bundle(yard.store, yard.keys, yard.actor, open_bundle(path), application="delay")
    assert yard.store.refs() == []
    assert yard.store.history() == []


# files


def test_a_missing_blob_is_named_with_its_component(forged: Forged) -> None:
    model = next(part for part in forged.freight.parts if part.component.kind == "model")
    forged.path(model.layers[0].digest).unlink()
    refused(forged.folder, f"model delay is not whole: the blob {model.layers[0].digest} is missing", BundleDamaged)


def test_a_changed_byte_is_named_with_the_users_file(forged: Forged) -> None:
    data = next(part for part in forged.freight.parts if part.component.kind == "data")
    wanted = digest_bytes(b"february\n" * 40)
    assert wanted in {layer.digest for layer in data.layers}
    forged.path(wanted).chmod(0o644)
    forged.path(wanted).write_bytes(b"february\n" * 39 + b"februarz\n")
    with pytest.raises(BundleDamaged, match=r"2013/02\.csv of data flights is damaged"):
        verify(forged.folder)


def test_an_extra_file_is_refused_by_name(forged: Forged) -> None:
    for path, words in (
        (forged.folder / "notes.txt", r"notes\.txt is no part"),
        (forged.blobs / "run.sh", r"run\.sh is no blob"),
        (forged.folder / "blobs" / "md5", "blobs/md5 is no part"),
        (forged.path(digest_bytes(b"more")), "is named by nothing"),
    ):
        path.write_bytes(b"more")
        refused(forged.folder, words)
        path.unlink()
    verify(forged.folder)


def test_links_are_not_followed(forged: Forged) -> None:
    blob = forged.path(forged.made.release)
    outside = forged.folder.parent / "outside"
    os.replace(blob, outside)
    blob.symlink_to(outside)
    refused(forged.folder, "is no plain file")
    blob.unlink()
    os.mkfifo(blob)
    refused(forged.folder, "is no plain file")
    shutil.rmtree(forged.folder / "blobs")
    (forged.folder / "blobs").symlink_to(forged.made.folder / "blobs")
    refused(forged.folder, "blobs is no folder")


def test_a_wrong_size_is_found_before_anything_is_hashed(forged: Forged) -> None:
    model = next(part for part in forged.freight.parts if part.component.kind == "model")
    path = forged.path(model.layers[0].digest)
    path.chmod(0o644)
    with path.open("ab") as out:
        out.write(b"x")
    with pytest.raises(BundleDamaged, match=f"has {model.layers[0].size + 1} bytes, not {model.layers[0].size}"):
        open_bundle(forged.folder)


# documents


def test_an_index_that_is_no_release_is_refused(forged: Forged) -> None:
    def other(index: Any) -> None:
        index["artifactType"] = "application/vnd.other"

    forged.relabel(other)
    refused(forged.folder, "is no release")
    forged.index({"schemaVersion": 2, "manifests": []})
    refused(forged.folder, "no OCI image index, or an empty one")
    forged.index(b"{")
    refused(forged.folder, r"index\.json is no JSON object")


def test_a_folder_that_is_no_bundle_at_all_is_not_said_to_hold_files_to_remove(tmp_path: Path) -> None:
    (tmp_path / ".shipway").mkdir()
    (tmp_path / "shipway.yaml").write_text("project: a\n")
    with pytest.raises(BundleMalformed, match="holds no bundle") as problem:
        open_bundle(tmp_path)
    assert "remove" not in str(problem.value.mend)


def test_a_layout_of_another_version_is_refused(forged: Forged) -> None:
    (forged.folder / "oci-layout").write_text('{"imageLayoutVersion":"2.0.0"}')
    refused(forged.folder, "not that of an OCI image layout 1.0.0")
    (forged.folder / "oci-layout").unlink()
    refused(forged.folder, "there is no oci-layout in it")


def test_json_that_is_too_deep_or_too_long_is_refused(forged: Forged) -> None:
    forged.index(b'{"schemaVersion":2,"manifests":' + b"[" * 200 + b"]" * 200 + b"}")
    refused(forged.folder, "more than 64 levels")
    forged.index(b"[" * 100_000 + b"]" * 100_000)
    refused(forged.folder, r"index\.json is no JSON object")
    with (forged.folder / "index.json").open("r+b") as out:
        out.truncate(1 << 30)
    refused(forged.folder, "too many to be one")


def test_a_bomb_is_not_read(forged: Forged) -> None:
    """The descriptor of a document promises more than any document has; a file of that size may even be there."""
    huge = 1 << 40

    def promise(index: Any) -> None:
        index["manifests"][0]["size"] = huge

    digest = forged.json(forged.made.release)["manifests"][0]["digest"]
    forged.path(digest).chmod(0o644)
    os.truncate(forged.path(digest), huge)
    forged.relabel(promise)
    refused(forged.folder, "1,099,511,627,776 bytes, too many to be one")


def test_a_tree_of_folders_that_stands_for_endless_files_is_counted_not_walked(forged: Forged) -> None:
    def explode(record: Any, _manifest: Any) -> None:
        leaf, size = forged.put(b"x")
        node = {"kind": "tree", "version": 1, "entries": []}
        entry = {"name": "f", "type": "file", "digest": leaf, "size": size, "executable": False}
        digest, size = forged.put({**node, "entries": [entry]})
        for _ in range(60):  # 2^60 files in 61 nodes
            pair = [{"name": name, "type": "tree", "digest": digest, "size": size} for name in "ab"]
            digest, size = forged.put({**node, "entries": pair})
        record["root"] = {"mediaType": "application/vnd.shipway.tree.v1+json", "digest": digest, "size": size}

    forged.forge_component("data", explode)
    refused(forged.folder, f"says that it has 3 files, and has {2**60}")


def test_a_folder_that_stands_very_often_in_another_is_counted_once(forged: Forged) -> None:
    """Each of 12,000 times 12,000 entries looked at takes ten seconds; as many as fit into a document, hours."""
    many = 12_000

    def widen(record: Any, _manifest: Any) -> None:
        digest, size = forged.put(b"x")
        for kind in ("file", "tree", "tree"):
            entry = {"type": kind, "digest": digest, "size": size, **({"executable": False} if kind == "file" else {})}
            entries = [{**entry, "name": f"{number:06}"} for number in range(many)]
            digest, size = forged.put({"kind": "tree", "version": 1, "entries": entries})
        record["root"] = {"mediaType": "application/vnd.shipway.tree.v1+json", "digest": digest, "size": size}

    forged.forge_component("data", widen)
    began = time.perf_counter()
    with pytest.raises(BundleMalformed, match=f"says that it has 3 files, and has {many**3}"):
        open_bundle(forged.folder)
    assert time.perf_counter() - began < 5


@pytest.mark.parametrize("kinds", [("file", "file", "file"), ("file", "file", "tree"), ("tree", "file", "tree")])
def test_a_tree_with_a_name_twice_is_refused_wherever_it_stands(forged: Forged, kinds: tuple[str, ...]) -> None:
    def repeat(record: Any, _manifest: Any) -> None:
        empty, size = forged.put({"kind": "tree", "version": 1, "entries": []})
        entries = [
            {"name": name, "type": kind, "digest": empty, "size": size, **({"executable": False} if kind == "file" else {})}
            for name, kind in zip("aba", kinds, strict=True)
        ]
        digest, size = forged.put({"kind": "tree", "version": 1, "entries": entries})
        record["root"] = {"mediaType": "application/vnd.shipway.tree.v1+json", "digest": digest, "size": size}

    forged.forge_component("code", repeat)
    refused(forged.folder, "holds the name 'a' twice")


@pytest.mark.parametrize("name", ["..", "a/b", "", ".", "/etc"])
def test_a_tree_that_climbs_out_is_refused(forged: Forged, name: str) -> None:
    def climb(record: Any, _manifest: Any) -> None:
        entry = {"name": name, "type": "file", "digest": forged.put(b"x")[0], "size": 1, "executable": False}
        digest, size = forged.put({"kind": "tree", "version": 1, "entries": [entry]})
        record["root"] = {"mediaType": "application/vnd.shipway.tree.v1+json", "digest": digest, "size": size}

    forged.forge_component("code", climb)
    refused(forged.folder, "which no file can have")


@pytest.mark.parametrize("name", ["../../escape", "/etc/escape", "..", "a\\b", "a\x1b[2J"])
def test_a_component_whose_name_is_a_path_is_refused(forged: Forged, name: str) -> None:
    def rename(index: Any) -> None:
        index["manifests"][-1]["annotations"]["dev.shipway.name"] = name

    forged.relabel(rename)
    refused(forged.folder, "which is no name")


def carrying(tmp_path: Path, name: str, ref: str) -> tuple[Path, Yard]:
    """A bundle with a verdict that says its release was moved to `ref`, and somebody to import it."""
    yard = Yard(tmp_path / "theirs")
    release, kind = yard.release(), "application/vnd.shipway.verdict.v1+json"
    verdict = yard.store.put({"kind": "verdict", "version": 1, "ref": ref, "to": release})
    attach(yard.store, Attachment(release, kind, name, yard.store.descriptor(verdict, kind)))
    return yard.export(release, tmp_path / "out"), Yard(tmp_path / "ours")


@pytest.mark.parametrize(
    "ref", ["release/../deploy/delay@prod", "release/\x1b[2J", "release/", "release/A B", "release/" + "x" * 999]
)
def test_a_verdict_does_not_make_a_ref_of_any_name(tmp_path: Path, ref: str) -> None:
    path, ours = carrying(tmp_path, "verdict", ref)
    (done,) = import_bundle(ours.store, ours.keys, ours.actor, open_bundle(path))
    assert done.refs == ("release/delay",)
    with pytest.raises(ImportUnnamed, match="is no name of an application"):
        import_bundle(ours.store, ours.keys, ours.actor, open_bundle(path), application=ref)


def test_the_name_of_an_attachment_is_no_command_to_a_terminal(tmp_path: Path) -> None:
    path, ours = carrying(tmp_path, "a\x1b[2J", "release/delay")
    with pytest.raises(BundleMalformed, match="which is no name"):
        import_bundle(ours.store, ours.keys, ours.actor, open_bundle(path))


def test_a_manifest_that_its_object_does_not_make_is_refused(forged: Forged) -> None:
    def drop(_record: Any, manifest: Any) -> None:
        manifest["layers"] = manifest["layers"][:-1]

    forged.forge_component("data", drop)
    refused(forged.folder, "the manifest of data flights is not the one that its object makes")


def test_an_unknown_kind_or_version_says_so(forged: Forged) -> None:
    def newer(record: Any, _manifest: Any) -> None:
        record["version"] = 2

    forged.forge_component("profile", newer)
    refused(forged.folder, "the object of profile delay is a 'profile' of version 2")

    def strange(index: Any) -> None:
        index["manifests"][0]["annotations"]["dev.shipway.kind"] = "firmware"

    forged.relabel(strange)
    refused(forged.folder, "a 'firmware', a kind that is unknown here")


def test_components_out_of_order_or_twice_are_refused(forged: Forged) -> None:
    def swap(index: Any) -> None:
        index["manifests"].reverse()

    def double(index: Any) -> None:
        index["manifests"].append(index["manifests"][-1])

    for change in (swap, double):
        forged.relabel(change)
        refused(forged.folder, "not in order, or one comes twice")


def test_a_key_that_comes_twice_is_refused(forged: Forged) -> None:
    text = (forged.folder / "index.json").read_bytes()
    forged.index(text.replace(b'{"manifests"', b'{"schemaVersion":2,"manifests"', 1))
    refused(forged.folder, "comes twice")


def test_an_attachment_of_something_else_is_refused(forged: Forged) -> None:
    carried = next(c for c in forged.freight.carried if c.attachment.name == "approval")
    manifest = forged.json(carried.manifest.digest)
    manifest["subject"]["digest"] = digest_bytes(b"another release")
    digest, size = forged.put(manifest)
    index = json.loads((forged.folder / "index.json").read_bytes())
    entry = next(e for e in index["manifests"] if e["digest"] == carried.manifest.digest)
    entry |= {"digest": digest, "size": size}
    forged.index(index)
    refused(forged.folder, "which is not in the bundle")


# tars


def repack(made: Made, path: Path, change: Callable[[tarfile.TarFile], None], mode: Any = "w") -> Path:
    """The bundle packed by Python's own tar, with something more at the end."""
    with tarfile.open(path, mode, format=tarfile.USTAR_FORMAT) as out:
        out.add(made.folder, arcname=".")
        change(out)
    return path


def entry(name: str, kind: bytes, link: str = "") -> Callable[[tarfile.TarFile], None]:
    def add(out: tarfile.TarFile) -> None:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, link
        info.size = 1 if kind == tarfile.REGTYPE else 0
        out.addfile(info, io.BytesIO(b"x"))

    return add


def nothing(_out: tarfile.TarFile) -> None:
    return None


def test_a_tar_that_another_tool_packed_is_read(made: Made, tmp_path: Path) -> None:
    assert [f.release.digest for f in open_bundle(repack(made, tmp_path / "b.tar", nothing)).freights] == [made.release]


@pytest.mark.parametrize(
    ("kind", "name", "link", "words"),
    [
        (tarfile.REGTYPE, "../escape", "", "climbs out of the bundle"),
        (tarfile.REGTYPE, "blobs/../../escape", "", "climbs out of the bundle"),
        (tarfile.REGTYPE, "/etc/passwd", "", "climbs out of the bundle"),
        (tarfile.REGTYPE, "blobs/sha256/x", "", "is no part of a bundle"),
        (tarfile.REGTYPE, "index.json", "", "comes twice"),
        (tarfile.DIRTYPE, "../escape", "", "climbs out of the bundle"),
        (tarfile.DIRTYPE, "more", "", "is no part of a bundle"),
        (tarfile.SYMTYPE, "blobs/sha256/link", "/etc/passwd", "is a symbolic link"),
        (tarfile.LNKTYPE, "blobs/sha256/link", "index.json", "is a hard link"),
        (tarfile.CHRTYPE, "null", "", "is a device"),
        (tarfile.BLKTYPE, "disk", "", "is a device"),
        (tarfile.FIFOTYPE, "pipe", "", "is a pipe"),
    ],
)
def test_an_entry_that_has_no_place_in_a_tar_is_refused(
    made: Made, tmp_path: Path, kind: bytes, name: str, link: str, words: str
) -> None:
    refused(repack(made, tmp_path / "b.tar", entry(name, kind, link)), words)


def test_extended_headers_are_refused_with_what_to_do(made: Made, tmp_path: Path) -> None:
    def long_name(out: tarfile.TarFile) -> None:
        out.format = tarfile.PAX_FORMAT
        entry("x" * 300, tarfile.REGTYPE)(out)

    with pytest.raises(BundleMalformed, match="is an extended header") as problem:
        open_bundle(repack(made, tmp_path / "b.tar", long_name))
    assert "--format=ustar" in str(problem.value.mend)


@pytest.mark.parametrize("packed", ["gz", "bz2", "xz"])
def test_a_packed_tar_is_not_unpacked(made: Made, tmp_path: Path, packed: str) -> None:
    refused(repack(made, tmp_path / "b.tar", nothing, f"w:{packed}"), "is packed with")


def test_a_gzip_bomb_costs_nothing(tmp_path: Path) -> None:
    (tmp_path / "b.tar").write_bytes(gzip.compress(bytes(64 << 20)))
    refused(tmp_path / "b.tar", "is packed with gzip")


def test_a_tar_is_the_same_whoever_writes_it_and_takes_the_place_of_an_older_one_at_once(made: Made, tmp_path: Path) -> None:
    (tmp_path / "again.tar").write_bytes(b"an older one")
    write_tar(made.yard.store, made.yard.freight(made.release), tmp_path / "again.tar")
    assert (tmp_path / "again.tar").read_bytes() == made.tar.read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["again.tar"]
    verify(made.tar)


# any byte


def verdict(path: Path, made: Made) -> ShipwayError | None:
    """What verify says first; None when nothing is wrong."""
    try:
        return verify_bundle(open_bundle(path), made.yard.keys).wrong
    except ShipwayError as problem:
        return problem


@pytest.fixture(scope="module")
def scratch(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """A copy of the bundle for changes that are undone at once."""
    base = tmp_path_factory.mktemp("scratch")
    shutil.copytree(made.folder, base / "out")
    shutil.copy(made.tar, base / "out.tar")
    for path in (base / "out").rglob("*"):
        path.chmod(0o755)
    yield Made(made.yard, made.release, base / "out", base / "out.tar")
    assert verdict(base / "out", made) is None
    assert verdict(base / "out.tar", made) is None


def check_flip(scratch: Made, bundle: Path, path: Path, data: st.DataObject) -> None:
    """One byte changed, or the file cut: verify tells, and so does what is put back."""
    whole = path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1), label="at")
    cut = data.draw(st.booleans(), label="cut")
    other = whole[:at] if cut else whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :]
    path.write_bytes(other)
    try:
        assert verdict(bundle, scratch) is not None
    finally:
        path.write_bytes(whole)


def flips(examples: int) -> Callable[[Any], Any]:
    quiet = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
    return settings(max_examples=examples, deadline=None, suppress_health_check=quiet)


@flips(60)
@given(data=st.data())
def test_whatever_byte_of_a_folder_changes_verify_tells(scratch: Made, data: st.DataObject) -> None:
    files = sorted(path for path in scratch.folder.rglob("*") if path.is_file())
    check_flip(scratch, scratch.folder, data.draw(st.sampled_from(files)), data)


@flips(60)
@given(data=st.data())
def test_whatever_byte_of_a_tar_changes_verify_tells(scratch: Made, data: st.DataObject) -> None:
    check_flip(scratch, scratch.tar, scratch.tar, data)


@pytest.mark.slow
@flips(3000)
@given(data=st.data())
def test_whatever_byte_of_a_bundle_changes_verify_tells_in_many_rounds(scratch: Made, data: st.DataObject) -> None:
    files = sorted(path for path in scratch.folder.rglob("*") if path.is_file())
    chosen = data.draw(st.sampled_from([*files, scratch.tar]))
    check_flip(scratch, scratch.tar if chosen == scratch.tar else scratch.folder, chosen, data)

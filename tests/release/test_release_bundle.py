"""A release leaves as an OCI image layout that other tools read, and comes in elsewhere as it was."""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from bundle_help import Yard

from shipway.environment import keep_files, kept_wheels
from shipway.gate import Bound, import_check, read_foreign
from shipway.kernel import media
from shipway.kernel.canonical import JsonObject
from shipway.kernel.check import Verdict
from shipway.kernel.digest import digest_bytes, short
from shipway.release import (
    WHEELS,
    Attachment,
    BundleMalformed,
    Component,
    attach,
    attachments_of,
    hash_bundle,
    import_bundle,
    load_components,
    load_freight,
    open_bundle,
    open_stored,
    put_release,
    reach,
    verify_bundle,
    write_folder,
    write_tar,
)
from shipway.store import hash_file


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path / "yard")


def test_what_was_exported_verifies_and_comes_in_elsewhere_as_it_was(yard: Yard, tmp_path: Path) -> None:
    release = yard.release()
    yard.live(release)
    bundle = open_bundle(yard.export(release, tmp_path / "out"))
    found = verify_bundle(bundle, yard.keys)
    assert found.verdict is Verdict.PASS
    assert found.hashed.blobs == len(bundle.files.blobs)
    said = {(said.reading.name, said.about) for said in found.said}
    assert said == {("auc", "model delay"), ("approval", "the release"), ("verdict", "the release")}
    other = Yard(tmp_path / "other", yard.keys_folder)
    (done,) = import_bundle(other.store, other.keys, other.actor, bundle)
    assert (done.release, done.refs, done.statements) == (release, ("release/delay",), 3)
    assert other.store.resolve("release/delay") == release
    assert load_components(other.store, release) == load_components(yard.store, release)
    assert hash_bundle(open_stored(other.store, release)).blobs >= len(bundle.files.blobs)


def test_a_second_export_adds_only_what_changed(yard: Yard, tmp_path: Path) -> None:
    first, second = yard.release("first"), yard.release("second")
    all_of_it = write_folder(yard.store, yard.freight(first), tmp_path / "out")
    assert all_of_it.new_bytes == all_of_it.bytes
    again = write_folder(yard.store, yard.freight(first), tmp_path / "out")
    assert (again.new_blobs, again.new_bytes) == (0, 0)
    changed = write_folder(yard.store, yard.freight(second), tmp_path / "out")
    assert 0 < changed.new_bytes < changed.bytes / 2
    bundle = open_bundle(tmp_path / "out")
    assert {freight.release.digest for freight in bundle.freights} == {first, second}
    hash_bundle(bundle)


def test_a_second_export_mends_a_blob_that_changed_and_kept_its_size(yard: Yard, tmp_path: Path) -> None:
    release = yard.release()
    folder = yard.export(release, tmp_path / "out")
    part = next(part for part in yard.freight(release).parts if part.component.kind == "data")
    leaf = next(layer for layer in part.layers if layer.media_type == media.BYTES)
    path = folder / "blobs" / "sha256" / leaf.digest.removeprefix("sha256:")
    whole = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
    done = write_folder(yard.store, yard.freight(release), folder, copy=True)
    assert (path.read_bytes(), done.new_blobs, done.new_bytes) == (whole, 1, len(whole))


def test_a_bundle_shares_its_files_with_the_store_unless_it_is_told_to_copy(yard: Yard, tmp_path: Path) -> None:
    release = yard.release()
    write_folder(yard.store, yard.freight(release), tmp_path / "linked")
    write_folder(yard.store, yard.freight(release), tmp_path / "copied", copy=True)
    blob = release.removeprefix("sha256:")
    stored = yard.store.objects.path(release).stat()
    assert os.path.samestat((tmp_path / "linked" / "blobs" / "sha256" / blob).stat(), stored)
    copied = tmp_path / "copied" / "blobs" / "sha256" / blob
    assert not os.path.samestat(copied.stat(), stored)
    assert hash_file(copied) == release


def skopeo(*words: str) -> str:
    done = subprocess.run(["skopeo", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_skopeo_reads_a_bundle_and_copies_every_component(yard: Yard, tmp_path: Path) -> None:
    """Debian's skopeo 1.9.3 knows the image spec before 1.1: it writes the index anew, without its artifact type, so that the
    copy has another digest and is refused with the reason; the manifests of the components and all blobs stay as they are.
    """
    release = yard.release()
    yard.live(release)
    folder = yard.export(release, tmp_path / "out")
    raw = skopeo("inspect", "--raw", f"oci:{folder}:{short(release)}")
    assert raw.encode() == yard.store.objects.get(release)
    skopeo("copy", "--all", f"oci:{folder}:{short(release)}", f"oci:{tmp_path / 'copied'}:mine")
    copied = {path.name for path in (tmp_path / "copied" / "blobs" / "sha256").iterdir()}
    wanted = {blob.digest for part in yard.freight(release).parts for blob in (part.manifest, part.config, *part.layers)}
    assert {digest.removeprefix("sha256:") for digest in wanted} < copied
    with pytest.raises(BundleMalformed, match="its artifact type is None") as problem:
        open_bundle(tmp_path / "copied")
    assert "copied it" in str(problem.value.mend)


def test_wheels_travel_with_the_environment_that_they_are_for(yard: Yard, tmp_path: Path) -> None:
    wheel = tmp_path / "polars-1.0-py3-none-any.whl"
    wheel.write_bytes(b"a wheel")
    lock = f"polars==1.0 --hash={hash_file(wheel)}\n".encode()
    environment: JsonObject = {
        "kind": "environment",
        "version": 1,
        "lock": yard.store.put_bytes(lock, media.TEXT).to_json(),
        "python": "3.11",
    }
    parts = [*load_components(yard.store, yard.release()), Component("environment", "", yard.store.put(environment))]
    release = put_release(yard.store, parts)
    kept = keep_files(yard.store, lock, [wheel], python="3.11")
    wheels = (yard.store.descriptor(kept, WHEELS), *reach(yard.store, kept))
    write_folder(yard.store, load_freight(yard.store, release, wheels=wheels), tmp_path / "out", copy=True)
    bundle = open_bundle(tmp_path / "out")
    assert verify_bundle(bundle, yard.keys).verdict is Verdict.PASS
    other = Yard(tmp_path / "other", yard.keys_folder)
    import_bundle(other.store, other.keys, other.actor, bundle, application="delay")
    assert kept_wheels(other.store, digest_bytes(lock), python="3.11") == kept
    without = load_freight(yard.store, release)
    assert {carried.attachment.media_type for carried in without.carried} & {WHEELS} == set()


def test_what_was_attached_travels_and_is_attached_there(yard: Yard, tmp_path: Path) -> None:
    release = yard.release()
    card = Attachment(release, "text/markdown", "card.md", yard.store.put_bytes(b"# Delay", "text/markdown"))
    attach(yard.store, card)
    bundle = open_bundle(yard.export(release, tmp_path / "out"))
    other = Yard(tmp_path / "other", yard.keys_folder)
    import_bundle(other.store, other.keys, other.actor, bundle)
    assert card in attachments_of(other.store, release)
    assert other.store.objects.get(card.data.digest) == b"# Delay"
    assert bundle.reader.source.where == str(tmp_path / "out")
    again = open_bundle(other.export(release, tmp_path / "again"))
    assert {c.attachment.name for c in again.freights[0].carried} >= {"card.md", "release/delay"}


def test_the_report_behind_an_imported_check_travels_with_it(yard: Yard, tmp_path: Path) -> None:
    release = yard.release()
    data = b'{"totals": {"percent": 93.5}}'
    found = read_foreign(data, "json", path="totals.percent", bound=Bound(90.0, higher=True))
    kept = import_check(yard.store, yard.signer, yard.actor, found, data=data, form="json", name="coverage", subject=release)
    bundle = open_bundle(yard.export(release, tmp_path / "out"))
    assert verify_bundle(bundle, yard.keys).wrong is None
    there = Yard(tmp_path / "other", yard.keys_folder)
    import_bundle(there.store, there.keys, there.actor, bundle)
    assert there.store.objects.get(kept.source) == data
    again = open_bundle(there.export(release, tmp_path / "again"))
    assert [c.attachment.name for c in again.freights[0].carried if c.attachment.data.digest == kept.source] == [
        "source of import.coverage"
    ]


def test_a_bundle_of_several_releases_leaves_the_ref_at_the_newest(yard: Yard, tmp_path: Path) -> None:
    made = [yard.release(name) for name in ("first", "second", "third", "fourth")]
    for release in made:
        yard.export(release, tmp_path / "out")
    other = Yard(tmp_path / "other", yard.keys_folder)
    done = import_bundle(other.store, other.keys, other.actor, open_bundle(tmp_path / "out"))
    assert [one.release for one in done] == made
    assert other.store.resolve("release/delay") == made[-1]


def test_two_that_write_one_tar_at_once_leave_a_whole_one(yard: Yard, tmp_path: Path) -> None:
    freight = yard.freight(yard.release(data="january" * 100))
    with ThreadPoolExecutor(4) as pool:
        for work in [pool.submit(write_tar, yard.store, freight, tmp_path / "out.tar") for _ in range(12)]:
            work.result()
    hash_bundle(open_bundle(tmp_path / "out.tar"))
    assert [path.name for path in tmp_path.glob("*.part")] == []


def test_two_that_export_into_one_folder_at_once_leave_both_releases(yard: Yard, tmp_path: Path) -> None:
    made = [yard.release(name) for name in ("first", "second", "third")]
    freights = [yard.freight(release) for release in made]
    for folder in (tmp_path / f"out{number}" for number in range(30)):  # who makes it, and who finds it half made, differs
        with ThreadPoolExecutor(3) as pool:
            for work in [pool.submit(write_folder, yard.store, freight, folder) for freight in freights]:
                work.result()
        assert {freight.release.digest for freight in open_bundle(folder).freights} == set(made)


def test_what_is_said_of_the_release_before_does_not_come_along(yard: Yard) -> None:
    first, second = yard.release("first"), yard.release("second")
    yard.live(first)
    yard.deploy(second)
    about = {c.attachment.subject for c in yard.freight(second).carried if c.attachment.media_type == media.DSSE}
    assert first not in about
    assert second in about

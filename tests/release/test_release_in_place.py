"""A release whose data stay in place: it locks what is there, and a rebuild is given the bytes that were proven equal."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "store"))
from store_help import s3_client, s3_environ

from shipway.access import open_keys
from shipway.data import BROUGHT, NotHere, SourceGone, snapshot_files
from shipway.data.in_place import bring_files, open_source, parse_place, take_in_place
from shipway.gate import attest
from shipway.kernel import media
from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import Descriptor
from shipway.pipeline import Silence
from shipway.pipeline._provenance import Made, provenance
from shipway.release._describe_data import describe_data
from shipway.release._described import Look
from shipway.release._manifest import Component, component_manifest
from shipway.release._rebuild_folder import (
    RebuildRefused,
    check_trees,
    copy_components,
    restore_files,
    tree_of,
    verify_components,
)
from shipway.store import Store, open_store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "project", "points", create=True)


def test_a_release_locks_data_in_place_and_a_rebuild_has_their_bytes(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3_environ().items():
        monkeypatch.setenv(name, value)
    client, bucket = s3_client(s3_environ()), "release-in-place"
    client.create_bucket(Bucket=bucket)
    client.put_object(Bucket=bucket, Key="points/a.csv", Body=b"id\n1\n")
    source = open_source(parse_place(f"s3://{bucket}/points"), root=store.root.parent)
    first = take_in_place(store, source, name="points").digest
    component = Component("data", "points", first)
    manifest = component_manifest(store, component)
    assert manifest["layers"] == [Descriptor.from_json(store.get(first)["listing"]).to_json()]
    verify_components(store, (component,), Silence())
    fresh = open_store(tmp_path / "fresh", "points", create=True)
    release = store.put({"kind": "thing", "version": 1})
    copy_components(store, fresh, release, (component,), Silence())
    restore_files(fresh, (component,), tmp_path / "folder")
    assert (tmp_path / "folder/data/points/a.csv").read_bytes() == b"id\n1\n"
    client.put_object(Bucket=bucket, Key="points/a.csv", Body=b"id\n2\n")
    given = bring_files(fresh, first)  # as the run of the rebuild does: nothing comes, though it is gone where it was
    assert given
    assert given.files == 0
    verify_components(store, (component,), Silence())  # what was brought is kept for as long as the release is
    second = take_in_place(store, source, name="points").digest
    with pytest.raises(NotHere):
        snapshot_files(store, second)
    told = describe_data(Look(store), first, second)
    assert told.words == "0 files added, 0 removed, 1 changed in place"
    other = open_store(tmp_path / "other", "points", create=True)
    for digest in (first, Descriptor.from_json(store.get(first)["listing"]).digest):
        other.objects.put(store.objects.get(digest))
    with pytest.raises(SourceGone, match="was overwritten since its snapshot"):
        bring_files(other, first)
    for opened in (store, fresh, other):
        opened.close()


def test_a_rebuild_elsewhere_compares_with_what_the_signed_run_was_given(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3_environ().items():
        monkeypatch.setenv(name, value)
    client, bucket = s3_client(s3_environ()), "release-in-place-again"
    client.create_bucket(Bucket=bucket)
    client.put_object(Bucket=bucket, Key="points/a.csv", Body=b"id\n1\n")
    source = open_source(parse_place(f"s3://{bucket}/points"), root=store.root.parent)
    data = take_in_place(store, source, name="points").digest
    came = bring_files(store, data)
    assert came
    signer, keys = open_keys(tmp_path / "keys")
    model = store.put({"kind": "model", "version": 1})
    parts = (Component("data", "points", data), Component("model", "line", model))
    now = store.clock.now()
    record: JsonObject = {"data": {"points": data}, "code": model, "environment": model, "parameters": {}}
    made = Made("points", data, record, "ann", "here", "1", now, now, model, Descriptor("a/b", model, 1))
    run = provenance(replace(made, trees={"points": came.root}))
    attest(store, signer, subject=model, name="line", predicate_type=media.PROVENANCE_PREDICATE, predicate=run, label="run")
    assert tree_of(run, "points", data) == came.root
    assert tree_of(run, "points", model) is None
    assert tree_of(provenance(made), "points", data) is None
    check_trees(store, keys, parts)
    store.put_state(BROUGHT, data, {"version": 1, "root": model})
    with pytest.raises(RebuildRefused, match="the data points are in place, and are not the bytes any more"):
        check_trees(store, keys, parts)
    store.close()

"""Wheels of a release: kept once, carried to another store of the same platform, and enough there without a network."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from release_help import Project

from shipway.environment import (
    EnvironmentFailed,
    collect_wheels,
    default_cache,
    environment_object,
    keep_files,
    kept_wheels,
    overlay_lock,
)
from shipway.kernel import media
from shipway.kernel.digest import Descriptor, Digest, digest_bytes
from shipway.pipeline import open_environment, open_overlay
from shipway.release import WHEELS, Component, keep_wheels, put_release, restore_wheels
from shipway.store import Store, open_store

sys.path.insert(0, str(Path(__file__).parents[1] / "environment"))

from cli_project import LOCK
from wheel_help import lock_line, make_wheel, serve_index

pytest_plugins = ["cli_fixtures"]
PYTHON = "3.11"


def overlay_wheels() -> list[Path]:
    """The overlay's real wheels; kept in the default cache from run to run, as the environments of other tests are."""
    return collect_wheels(overlay_lock(), default_cache() / "test-wheels", python=PYTHON, report=print)


@pytest.fixture(scope="module")
def overlay() -> list[Path]:
    return overlay_wheels()


def release_of(store: Store, lock: bytes) -> tuple[Digest, Digest]:
    """A release of an environment alone, and that environment."""
    environment = store.put(environment_object(lock=store.put_bytes(lock, media.TEXT), python=PYTHON))
    return put_release(store, [Component("environment", "", environment)]), environment


def carry(store: Store, other: Store, release: Digest, environment: Digest, wheels: tuple[Descriptor, ...]) -> None:
    """As a bundle does it: objects and blobs, nothing of the catalogue."""
    lock = Descriptor.from_json(store.get(environment)["lock"]).digest
    for digest in (release, environment, lock, *(descriptor.digest for descriptor in wheels)):
        other.objects.put_file(store.objects.path(digest))


def test_wheels_kept_with_a_release_make_its_environment_where_no_index_is(
    overlay: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, lines = open_store(tmp_path / "store", "points", create=True), list[str]()
    keep_files(store, overlay_lock(), overlay, python=PYTHON)
    lock = lock_line(make_wheel(tmp_path / "index", "noise", "1.0", "LOUD = 1\n"))
    release, environment = release_of(store, lock)
    with serve_index(tmp_path / "index") as index:
        for name, value in index.environ(tmp_path / "uv").items():
            monkeypatch.setenv(name, value)
        wheels = keep_wheels(store, release, cache=tmp_path / "cache", report=lines.append)
        assert lines == ["fetching 1 of 1 wheels, 0.0 MB"]
        assert keep_wheels(store, release, cache=tmp_path / "cache", report=lines.append) == wheels
        assert index.asked.count("noise-1.0-py3-none-any.whl") == 1, "what the store has is not fetched"
    assert not list((tmp_path / "cache" / "wheels").glob("*.whl")), "what the store has is not kept twice"
    assert [descriptor.media_type for descriptor in wheels].count(WHEELS) == 2  # of the lock and of the overlay

    other = open_store(tmp_path / "other", "points", create=True)
    carry(store, other, release, environment, wheels)
    assert restore_wheels(other, wheels) == 2
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "another-uv"))
    monkeypatch.setenv("UV_OFFLINE", "1")
    said = list[str]()
    python = open_environment(other, environment, cache=tmp_path / "there", report=said.append, offline=True)
    folder = open_overlay(other, python, cache=tmp_path / "there", report=said.append, offline=True)
    assert (python.parents[1] / "lib" / "python3.11" / "site-packages" / "noise.py").read_text() == "LOUD = 1\n"
    assert (folder / "msgspec").is_dir()
    assert said[0].endswith("1 packages, from the wheels in the store: nothing is fetched")


@pytest.mark.slow
def test_a_release_is_rebuilt_on_another_machine_that_has_no_network(
    project: Project, overlay: list[Path], tmp_path: Path
) -> None:
    """A bundle came along and nothing else; uv's cache, our cache and the store are new, and no index answers.

    Model, golden rows and profile come out equal by their bytes, in an environment made of the wheels in the bundle.
    """
    release = project.store.resolve("release/line")
    for file in (*overlay, *project_wheels()):
        project.store.put_file(file, media.WHEEL)  # so that keeping them fetches nothing here
    project.ask("release", "export", release, str(tmp_path / "without"))
    project.ask("release", "export", release, str(tmp_path / "with"), "--with-wheels")
    there = Project(tmp_path / "there", tmp_path / "keys", more=offline(tmp_path))
    there.root.mkdir()
    shutil.copy(project.root / "shipway.yaml", there.root)

    words = ("rebuild", release, "--offline", "--json", "--in")
    there.ask("release", "import", str(tmp_path / "without"))
    refused = there.cli(*words, str(tmp_path / "refused"))
    assert (refused.code, refused.document["error"]["code"]) == (1, "environment.environment-failed")
    assert refused.document["error"]["mend"] == "where there is a network: shipway release export --with-wheels keeps them"

    there.ask("release", "import", str(tmp_path / "with"))
    done = there.cli(*words, str(tmp_path / "again"))
    assert done.code == 0, done.err
    assert (done.document["equality"], done.document["different"]) == ("EQUAL (bytes)", None)
    assert " packages, from the wheels in the store: nothing is fetched" in done.err
    python = next((tmp_path / "shipway-there").glob("environments/*/bin/python"))
    assert python.exists(), "it was made anew, and not found in the cache of this machine"


def offline(folder: Path) -> dict[str, str]:
    """The variables of a machine that has nothing cached and reaches no index."""
    return {
        "SHIPWAY_CACHE": str(folder / "shipway-there"),
        "UV_CACHE_DIR": str(folder / "uv-there"),
        "UV_DEFAULT_INDEX": "http://127.0.0.1:9/simple/",
        "UV_OFFLINE": "1",
    }


def project_wheels() -> list[Path]:
    """The real wheels of the project that tests share, in the default cache from run to run."""
    return collect_wheels(LOCK.read_bytes(), default_cache() / "test-wheels", python=PYTHON, report=print)


def test_an_environment_without_wheels_is_refused_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(tmp_path / "store", "points", create=True)
    _, environment = release_of(store, lock_line(make_wheel(tmp_path / "index", "noise", "1.0", "LOUD = 1\n")))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "another-uv"))
    with pytest.raises(EnvironmentFailed) as problem:
        open_environment(store, environment, cache=tmp_path / "cache", report=print, offline=True)
    assert problem.value.mend == "where there is a network: shipway release export --with-wheels keeps them"


def test_a_release_without_an_environment_has_no_wheels(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store", "points", create=True)
    prompt = store.put({"kind": "thing", "version": 1})
    release = put_release(store, [Component("thing", "answer", prompt)])
    assert keep_wheels(store, release, cache=tmp_path / "cache", report=print) == ()


def test_wheels_of_another_platform_stay_beside_ours(overlay: list[Path], tmp_path: Path) -> None:
    """A release that was exported on two platforms is at home on both."""
    store = open_store(tmp_path / "store", "points", create=True)
    ours = keep_files(store, overlay_lock(), overlay, python=PYTHON)
    theirs = keep_files(store, overlay_lock(), overlay[:1], python="3.12")
    lock = digest_bytes(overlay_lock())
    assert (kept_wheels(store, lock, python=PYTHON), kept_wheels(store, lock, python="3.12")) == (ours, theirs)

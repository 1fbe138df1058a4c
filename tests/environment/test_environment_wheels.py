"""Wheels of a lock: fetched once, checked against its hashes, kept in the store, and enough to make the environment alone."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from environment_help import digest_of
from wheel_help import Index, lock_line, make_wheel, serve_index, sha256

from shipway.environment import (
    EnvironmentFailed,
    WheelMissing,
    WheelsMalformed,
    collect_wheels,
    ensure_environment,
    keep_files,
    kept_wheels,
    lay_out_wheels,
    platform_tag,
    register_wheels,
)
from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import digest_bytes
from shipway.store import Store, open_store

PYTHON = "3.11"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    make_wheel(tmp_path / "index", "noise", "1.0", "LOUD = 1\n")
    make_wheel(tmp_path / "index", "noise", "2.0", "LOUD = 2\n")
    make_wheel(tmp_path / "index", "quiet", "1.0", "LOUD = 0\n")
    with serve_index(tmp_path / "index") as served:
        for name, value in served.environ(tmp_path / "uv").items():
            monkeypatch.setenv(name, value)
        yield served


@pytest.fixture
def lock(index: Index) -> bytes:
    return b"".join(lock_line(path) for path in sorted(index.wheels.iterdir()) if "2.0" not in path.name)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "store", "points", create=True)


def collect(lock: bytes, folder: Path, lines: list[str] | None = None) -> list[Path]:
    return collect_wheels(lock, folder, python=PYTHON, report=(lines if lines is not None else []).append)


def cut_off(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Another machine: uv has no cache, and the index is not reachable."""
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "another-uv"))
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple/")
    monkeypatch.setenv("UV_OFFLINE", "1")


def test_every_wheel_of_a_lock_is_fetched_once_and_checked(index: Index, lock: bytes, tmp_path: Path) -> None:
    lines: list[str] = []
    files = collect(lock, tmp_path / "wheels", lines)
    assert [file.name for file in files] == ["noise-1.0-py3-none-any.whl", "quiet-1.0-py3-none-any.whl"]
    assert [file.read_bytes() for file in files] == [(index.wheels / file.name).read_bytes() for file in files]
    assert lines == ["fetching 2 of 2 wheels, 0.0 MB"]
    fetched = len(index.asked)
    files[0].unlink()
    collect(lock, tmp_path / "wheels", lines)
    assert lines[1:] == ["fetching 1 of 2 wheels, 0.0 MB"]
    assert index.asked[fetched:].count("quiet-1.0-py3-none-any.whl") == 0, "what an earlier call left is not fetched again"


def test_a_wheel_that_is_not_what_the_index_says_is_refused_and_not_left_behind(
    index: Index, lock: bytes, tmp_path: Path
) -> None:
    target = index.wheels / "noise-1.0-py3-none-any.whl"
    index.claims[target.name] = sha256(target)
    target.write_bytes(target.read_bytes() + b"x")
    with pytest.raises(EnvironmentFailed, match="which is not in the lock"):
        collect(lock, tmp_path / "wheels")
    assert list((tmp_path / "wheels").glob("*.whl")) == []


def test_a_wheel_that_was_exchanged_in_the_index_is_none_of_the_locks(index: Index, lock: bytes, tmp_path: Path) -> None:
    make_wheel(index.wheels, "noise", "1.0", "LOUD = 99\n")
    with pytest.raises(WheelMissing, match=r"noise 1\.0 has no wheel for this platform that the lock knows"):
        collect(lock, tmp_path / "wheels")


def test_a_damaged_wheel_in_the_folder_is_fetched_again(lock: bytes, tmp_path: Path) -> None:
    first = collect(lock, tmp_path / "wheels")[0]
    whole = first.read_bytes()
    first.write_bytes(whole[:-1] + b"?")
    assert collect(lock, tmp_path / "wheels")[0].read_bytes() == whole


def test_a_package_without_a_wheel_is_refused_by_its_name(index: Index, lock: bytes, tmp_path: Path) -> None:
    """Its hash is in the lock; building it would take packages that no lock names."""
    with tarfile.open(index.wheels / "source-1.0.tar.gz", "w:gz") as archive:
        for name, text in {"PKG-INFO": "Metadata-Version: 2.1\nName: source\nVersion: 1.0\n", "setup.py": ""}.items():
            entry = tarfile.TarInfo(f"source-1.0/{name}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    with pytest.raises(WheelMissing, match=r"source 1\.0 has no wheel for this platform that the lock knows"):
        collect(lock + lock_line(index.wheels / "source-1.0.tar.gz").replace(b"1.0.tar.gz", b"1.0"), tmp_path / "wheels")
    assert not list((tmp_path / "wheels").glob("*.whl")), "nothing is fetched of a lock that cannot be kept whole"


def test_an_index_that_is_gone_is_worth_a_retry(lock: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    collect(lock, tmp_path / "first")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple/")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    with pytest.raises(EnvironmentFailed) as problem:
        collect(lock, tmp_path / "wheels")
    assert problem.value.retry


def test_an_environment_is_made_of_kept_wheels_without_an_index(
    store: Store, lock: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheels = keep_files(store, lock, collect(lock, tmp_path / "wheels"), python=PYTHON)
    cut_off(monkeypatch, tmp_path)
    lines: list[str] = []
    with lay_out_wheels(store, wheels) as folder:
        python = ensure_environment(
            digest_of(lock), lock, python=PYTHON, cache=tmp_path / "cache", report=lines.append, wheels=folder
        )
    said = subprocess.run([python, "-c", "import noise, quiet; print(noise.LOUD)"], capture_output=True, text=True, check=True)
    assert said.stdout == "1\n"
    assert lines[0].endswith("2 packages, from the wheels in the store: nothing is fetched")


def test_without_them_it_says_what_it_will_fetch_and_offline_refuses(
    lock: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make(lock: bytes, cache: str, *, offline: bool = False) -> list[str]:
        lines: list[str] = []
        ensure_environment(digest_of(lock), lock, python=PYTHON, cache=tmp_path / cache, report=lines.append, offline=offline)
        return lines

    first = lock.splitlines(keepends=True)[0]
    assert make(first, "one")[0].endswith("1 packages: 1 (noise==1.0) to fetch")
    assert make(lock, "two")[0].endswith("2 packages: 1 (quiet==1.0) to fetch")
    assert make(lock, "three", offline=True)[0].endswith("2 packages, all in uv's cache: nothing is fetched")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "another-uv"))
    with pytest.raises(EnvironmentFailed) as problem:
        make(lock, "four", offline=True)
    assert problem.value.mend == "where there is a network: shipway release export --with-wheels keeps them"
    assert not list((tmp_path / "four").glob("environments/*/.complete"))


def test_kept_wheels_are_found_by_lock_and_platform(store: Store, lock: bytes, tmp_path: Path) -> None:
    wheels = keep_files(store, lock, collect(lock, tmp_path / "wheels"), python=PYTHON)
    assert kept_wheels(store, digest_bytes(lock), python="3.11.7") == wheels
    assert kept_wheels(store, digest_bytes(lock), python="3.12") is None
    assert kept_wheels(store, digest_bytes(b"another"), python=PYTHON) is None
    assert platform_tag("3.11").startswith(sys.platform)


@pytest.mark.parametrize("name", ["../noise-1.0-py3-none-any.whl", "/noise.whl", ".whl", "noise.py", "a\nb.whl"])
def test_a_wheels_object_with_a_name_that_climbs_is_refused(store: Store, lock: bytes, name: str) -> None:
    data = store.put_bytes(b"anything")
    value: JsonObject = {
        "kind": "wheels",
        "version": 1,
        "lock": digest_bytes(lock),
        "platform": platform_tag(PYTHON),
        "files": [{"name": name, "data": data.to_json()}],
    }
    hostile = store.put(value)
    with pytest.raises(WheelsMalformed, match="is not the name of a wheel"):
        register_wheels(store, [hostile])
    assert kept_wheels(store, digest_bytes(lock), python=PYTHON) is None


def test_a_wheels_object_without_its_wheels_is_refused(store: Store, lock: bytes, tmp_path: Path) -> None:
    wheels = keep_files(store, lock, collect(lock, tmp_path / "wheels"), python=PYTHON)
    other = open_store(tmp_path / "other", "points", create=True)
    other.objects.put(store.objects.get(wheels))
    with pytest.raises(WheelsMalformed, match="is not in the store"):
        register_wheels(other, [wheels])
    assert kept_wheels(other, digest_bytes(lock), python=PYTHON) is None


def test_wheels_for_a_lock_that_does_not_know_them_do_not_take_the_place_of_good_ones(
    store: Store, index: Index, lock: bytes, tmp_path: Path
) -> None:
    store.put_bytes(lock)
    good = keep_files(store, lock, collect(lock, tmp_path / "wheels"), python=PYTHON)
    evil = make_wheel(tmp_path / "evil", "noise", "1.0", "LOUD = 99\n")
    with pytest.raises(WheelsMalformed, match=r"the wheel noise-1\.0-py3-none-any\.whl is not in the lock that it is for"):
        keep_files(store, lock, [evil, index.wheels / "quiet-1.0-py3-none-any.whl"], python=PYTHON)
    assert kept_wheels(store, digest_bytes(lock), python=PYTHON) == good


def test_a_wheel_that_is_not_in_the_lock_does_not_get_in(
    store: Store, index: Index, lock: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bundle from somebody else may name any bytes; the lock's hashes decide."""
    evil = make_wheel(tmp_path / "evil", "noise", "1.0", "LOUD = 99\n")
    wheels = keep_files(store, lock, [evil, index.wheels / "quiet-1.0-py3-none-any.whl"], python=PYTHON)
    cut_off(monkeypatch, tmp_path)
    with lay_out_wheels(store, wheels) as folder, pytest.raises(EnvironmentFailed, match=r"(?i)hash"):
        ensure_environment(digest_of(lock), lock, python=PYTHON, cache=tmp_path / "cache", report=print, wheels=folder)
    assert not list((tmp_path / "cache").glob("environments/*/.complete"))

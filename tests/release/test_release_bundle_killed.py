"""An export or an import that is killed anywhere leaves what was there before, and the next one finishes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from bundle_help import Yard

from shipway.kernel.check import Verdict
from shipway.release import Bundle, import_bundle, open_bundle, verify_bundle, write_folder
from shipway.store import Store, open_store

SCRIPT = Path(__file__).with_name("bundle_killed.py")
SOME = [1, 9, 20, 30, 36]
ALL = list(range(1, 142))


def start(word: str, yard: Path, bundle: Path, number: int) -> int:
    """The exit code: 9 when it was killed, 0 when it was done before the n-th change."""
    command = [sys.executable, str(SCRIPT), word, str(yard), str(bundle), str(number)]
    return subprocess.run(command, capture_output=True, check=False).returncode


def check_export(yard: Yard, base: Path, number: int) -> int:
    first, second = yard.store.history("release/delay")[::-1][0].target, yard.store.resolve("release/delay")
    assert first
    folder = base / f"out{number}"
    write_folder(yard.store, yard.freight(first), folder)
    code = start("export", yard.folder, folder, number)
    left = open_bundle(folder)
    assert first in {freight.release.digest for freight in left.freights}
    assert verify_bundle(left, yard.keys).verdict is Verdict.PASS
    write_folder(yard.store, yard.freight(second), folder)
    finished = open_bundle(folder)
    assert {freight.release.digest for freight in finished.freights} == {first, second}
    assert not finished.files.unfinished
    assert {path.name for path in folder.iterdir()} == {"oci-layout", "index.json", "blobs"}
    shutil.rmtree(folder)
    return code


def check_import(yard: Yard, bundle: Bundle, base: Path, number: int) -> int:
    shutil.copytree(yard.keys_folder, base / "keys", dirs_exist_ok=True)
    importer = Yard(base / f"importer{number}", yard.keys_folder)
    assert importer.store.refs() == []
    importer.store.close()
    code = start("import", importer.folder, Path(bundle.files.where), number)
    release = yard.store.resolve("release/delay")
    store: Store = open_store(importer.folder, "flights")
    found = store.ref("release/delay")
    assert found is None or found.digest == release
    again = Yard(base / f"importer{number}", yard.keys_folder)
    import_bundle(again.store, again.keys, again.actor, bundle)
    assert again.store.resolve("release/delay") == release
    assert len(again.store.evidence(release)) == len(yard.store.evidence(release))
    for one in (store, again.store):
        one.close()
    return code


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Yard:
    base = tmp_path_factory.mktemp("killed")
    made = Yard(base / "yard", base / "keys")
    made.release("first")
    made.live(made.release("second", data="february"))
    return made


@pytest.mark.parametrize("number", SOME)
def test_a_killed_export_leaves_the_old_bundle_and_the_next_one_finishes(yard: Yard, tmp_path: Path, number: int) -> None:
    check_export(yard, tmp_path, number)


@pytest.mark.parametrize("number", SOME[:3])
def test_a_killed_import_names_nothing_or_all_and_the_next_one_finishes(yard: Yard, tmp_path: Path, number: int) -> None:
    bundle = open_bundle(yard.export(yard.store.resolve("release/delay"), tmp_path / "out"))
    check_import(yard, bundle, tmp_path, number)


@pytest.mark.slow
def test_an_export_may_be_killed_at_every_change_of_a_file(yard: Yard, tmp_path: Path) -> None:
    codes = [check_export(yard, tmp_path, number) for number in ALL]
    assert codes[0] == 9
    assert codes[-1] == 0


@pytest.mark.slow
def test_an_import_may_be_killed_at_every_fourth_change_of_a_file(yard: Yard, tmp_path: Path) -> None:
    bundle = open_bundle(yard.export(yard.store.resolve("release/delay"), tmp_path / "out"))
    codes = [check_import(yard, bundle, tmp_path, number) for number in ALL[::4]]
    assert codes[0] == 9
    assert codes[-1] == 0

"""The program of docs/format.md verifies our bundles without our code, and finds what is wrong with them."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from docs_help import DOCS

from shipway.kernel.digest import Digest

sys.path.insert(0, str(Path(__file__).parents[1] / "release"))

from bundle_help import Yard


class Checked:
    """A bundle, the key of its signer, and the program as it stands on the page."""

    def __init__(self, base: Path) -> None:
        self.yard = Yard(base / "yard")
        self.release = self.yard.release()
        self.yard.live(self.release)
        self.folder = self.yard.export(self.release, base / "out")
        self.key = base / "ann.pem"
        self.key.write_text(self.yard.keys.keys[0].public)
        text = re.search(r"<!-- program: check\.py -->\n```python\n(.*?)^```$", (DOCS / "format.md").read_text(), re.M | re.S)
        assert text
        self.program = base / "check.py"
        self.program.write_text(text[1])

    def run(self, folder: Path, *keys: Path) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-I", str(self.program), str(folder), *map(str, keys or (self.key,))]
        return subprocess.run(words, capture_output=True, text=True, check=False)

    def digest(self, kind: str) -> Digest:
        parts = self.yard.freight(self.release).parts
        return next(part.layers[0].digest for part in parts if part.component.kind == kind)


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Checked:
    return Checked(tmp_path_factory.mktemp("checked"))


def test_a_bundle_that_we_wrote_is_right(checked: Checked) -> None:
    done = checked.run(checked.folder)
    assert done.returncode == 0, done.stderr
    assert f"release {checked.release}" in done.stdout
    assert done.stdout.count("statement ") == 3
    assert "blobs are as their names say" in done.stdout


def test_the_program_needs_nothing_of_ours(checked: Checked) -> None:
    assert "shipway" not in re.sub(r'"[^"]*"', "", checked.program.read_text())
    assert len(checked.program.read_text().splitlines()) < 90


def change_byte(checked: Checked, folder: Path) -> None:
    path = folder / "blobs" / checked.digest("data").replace(":", "/")
    path.chmod(0o644)
    path.write_bytes(b"x" + path.read_bytes()[1:])


def lose(checked: Checked, folder: Path) -> None:
    (folder / "blobs" / checked.digest("model").replace(":", "/")).unlink()


def add(_checked: Checked, folder: Path) -> None:
    (folder / "blobs" / "sha256" / hashlib.sha256(b"more").hexdigest()).write_bytes(b"more")


def link(_checked: Checked, folder: Path) -> None:
    (folder / "blobs" / "sha256" / "passwd").symlink_to("/etc/passwd")


def another_release(_checked: Checked, folder: Path) -> None:
    index = json.loads((folder / "index.json").read_bytes())
    index["manifests"] = index["manifests"][1:]
    (folder / "index.json").write_text(json.dumps(index))


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (change_byte, "is not what its name says"),
        (lose, "missing, or of another size"),
        (add, "named by nothing"),
        (link, "is a link"),
        (another_release, "is attached to nothing here"),
    ],
)
def test_a_broken_bundle_is_found_out(
    checked: Checked, tmp_path: Path, harm: Callable[[Checked, Path], None], words: str
) -> None:
    shutil.copytree(checked.folder, tmp_path / "broken")
    harm(checked, tmp_path / "broken")
    done = checked.run(tmp_path / "broken")
    assert done.returncode == 1
    assert re.search(words, done.stderr)


def test_a_key_that_signed_nothing_is_not_enough(checked: Checked, tmp_path: Path) -> None:
    stranger = tmp_path / "bob.pem"
    stranger.write_text(Yard(tmp_path / "bob").keys.keys[0].public)
    done = checked.run(checked.folder, stranger)
    assert done.returncode == 1
    assert "signed by no key of yours" in done.stderr

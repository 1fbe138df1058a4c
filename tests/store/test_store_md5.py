from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes

from shipway.store._md5 import Md5

PIECES = (b"", b"one", b"x" * 3_000_000, b"\0")


@pytest.mark.parametrize("worth", [0, 1 << 40])
def test_the_md5_of_a_large_file_and_of_a_small_one_is_that_of_all_its_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, worth: int
) -> None:
    monkeypatch.setattr("shipway.store._md5._WORTH", worth)
    path = tmp_path / "file"
    path.write_bytes(b"".join(PIECES))
    assert _sum(path) == hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def test_where_the_newer_library_has_no_md5_the_interpreters_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_given: object) -> None:
        raise UnsupportedAlgorithm("md5 is not approved")

    monkeypatch.setattr("shipway.store._md5._WORTH", 0)
    monkeypatch.setattr(hashes, "Hash", refused)
    assert _sum(tmp_path / "gone") == hashlib.md5(b"".join(PIECES), usedforsecurity=False).hexdigest()


def test_of_no_bytes_there_is_an_md5_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shipway.store._md5._WORTH", 0)
    assert Md5(str(tmp_path)).hexdigest() == "d41d8cd98f00b204e9800998ecf8427e"


def _sum(path: Path) -> str:
    md5 = Md5(str(path))
    for piece in PIECES:
        md5.update(memoryview(piece))
    return md5.hexdigest()

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from environment_help import DATA, LOCK, digest_of

from shipway.environment import EnvironmentFailed, LockUnpinned, Pin, environment_object, lock_requirements, parse_lock
from shipway.kernel.digest import Descriptor, digest_bytes

HASH = "--hash=sha256:" + "0" * 64


def test_a_lock_is_universal_hashed_and_holds_no_address(tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.in"
    requirements.write_text("--extra-index-url https://pypi.org/simple\nrfc8785\ncolorama ; sys_platform == 'win32'\n")
    lock = lock_requirements(requirements, python="3.11")
    pins = parse_lock(lock)
    assert b"://" not in lock
    assert b"requirements.in" not in lock
    assert pins == (
        Pin("colorama", pins[0].version, "sys_platform == 'win32'", pins[0].hashes),
        Pin("rfc8785", pins[1].version, None, pins[1].hashes),
    )


def test_a_lock_does_not_depend_on_where_the_requirements_lie(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "requirements.in").write_text("rfc8785\n")
    first, second = (lock_requirements(tmp_path / folder / "requirements.in", python="3.11") for folder in ("a", "b"))
    assert first == second


def test_the_shipped_lock_pins_what_its_input_names() -> None:
    names = {pin.name for pin in parse_lock(LOCK)}
    wanted = {line.split("#")[0].split("==")[0].strip() for line in (DATA / "requirements.in").read_text().splitlines()}
    assert wanted <= names


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("numpy==2.0\n", 1),
        (f"click==8.1 \\\n    {HASH}\n# a comment\nnumpy==2.0 ; python_version > '3.9'\n", 4),
        (f"numpy>=2.0 {HASH}\n", 1),
        (f"click==8.1 {HASH}\n--index-url https://example.org/simple\n", 2),
        ("mine @ https://example.org/mine-1.0-py3-none-any.whl\n", 1),
        (f"-e . {HASH}\n", 1),
    ],
)
def test_a_line_that_fixes_no_bytes_is_refused_by_its_number(text: str, line: int) -> None:
    with pytest.raises(LockUnpinned) as refusal:
        parse_lock(text.encode())
    assert refusal.value.line == line
    assert refusal.value.where == f"line {line} of the lock"


def test_requirements_that_nothing_fulfils_give_uvs_own_reason(tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.in"
    requirements.write_text("click>100\n")
    with pytest.raises(EnvironmentFailed, match=r"requirements\.in has no lock: .*click"):
        lock_requirements(requirements, python="3.11")
    with pytest.raises(EnvironmentFailed, match="is not there"):
        lock_requirements(tmp_path / "other.in", python="3.11")


def test_the_environment_object_names_python_lock_and_runner() -> None:
    lock = Descriptor("text/plain", digest_bytes(LOCK), len(LOCK))
    assert environment_object(lock=lock, python="3.11") == {
        "kind": "environment",
        "version": 1,
        "python": "3.11",
        "lock": lock.to_json(),
        "runner": "v1",
    }
    assert digest_of(LOCK) != digest_of(LOCK + b"\n")


def test_a_machine_without_uv_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.in"
    requirements.write_text("rfc8785\n")
    monkeypatch.setitem(sys.modules, "uv", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentFailed, match="uv was not found") as raised:
        lock_requirements(requirements, python="3.11")
    assert raised.value.mend == "pip install uv"

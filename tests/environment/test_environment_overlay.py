from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from environment_help import ENVIRON, project_python

import shipway.environment
from shipway.environment import EnvironmentFailed, default_cache, ensure_overlay, overlay_command, parse_lock

ROOM = Path(shipway.environment.__file__).parent

PROBE = """
import json, os, sys
import msgspec, uvicorn, shipway, shipway.environment
print(json.dumps({
    "msgspec": msgspec.__version__, "msgspec_file": msgspec.__file__, "uvicorn_file": uvicorn.__file__,
    "shipway": list(shipway.__path__), "last": sys.path[-1], "path": sys.path, "argv": sys.argv, "name": __name__,
    "threads": os.environ["OMP_NUM_THREADS"],
}))
"""


@pytest.fixture(scope="module")
def overlay() -> Path:
    return ensure_overlay(project_python(), cache=default_cache(), report=print)


START = """
import runpy, sys
folder, *sys.argv = sys.argv[1:]
sys.path.append(folder)
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def probe(overlay: Path, folder: Path, *, environ: dict[str, str]) -> dict[str, object]:
    """What a module of `folder`, which the project has on its path, sees when boot starts it."""
    folder.mkdir(exist_ok=True)
    (folder / "probe_of_boot.py").write_text(PROBE)
    python, isolated, *boot = overlay_command(project_python(), overlay, "probe_of_boot", "one", "two")
    command = [python, isolated, "-c", START, str(folder), *boot]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environ)
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_the_projects_versions_win_and_the_overlay_fills_the_gaps(overlay: Path, tmp_path: Path) -> None:
    seen = probe(overlay, tmp_path / "probe", environ=ENVIRON | {"PYTHONPATH": "/nowhere"})
    assert seen["msgspec"] == "0.20.0"  # the project's; the overlay has a later one
    assert str(seen["msgspec_file"]).startswith(str(project_python().parents[1]))
    assert str(seen["uvicorn_file"]).startswith(str(overlay))
    assert seen["last"] == str(overlay)
    assert "/nowhere" not in str(seen["path"])
    assert seen["argv"] == [str(tmp_path / "probe" / "probe_of_boot.py"), "one", "two"]
    assert seen["name"] == "__main__"
    assert seen["threads"] == "1"
    assert str(overlay / "shipway" / "environment") not in str(seen["path"])


def test_shipway_itself_is_the_overlays_even_where_the_project_has_one(overlay: Path, tmp_path: Path) -> None:
    old = tmp_path / "probe" / "shipway"
    old.mkdir(parents=True)
    (old / "__init__.py").write_text("raise RuntimeError('the shipway of the project')")
    seen = probe(overlay, tmp_path / "probe", environ=dict(ENVIRON))
    assert seen["shipway"] == [str(overlay / "shipway")]


def test_more_threads_are_kept_when_asked_for(overlay: Path, tmp_path: Path) -> None:
    assert probe(overlay, tmp_path / "probe", environ=ENVIRON | {"OMP_NUM_THREADS": "2"})["threads"] == "2"


def test_the_overlay_is_made_once_and_holds_our_source_without_bytecode(tmp_path: Path) -> None:
    lines: list[str] = []
    made = [ensure_overlay(project_python(), cache=tmp_path, report=lines.append) for _ in range(2)]
    assert made[0] == made[1]
    assert len(lines) == 1
    assert (made[0] / "shipway" / "environment" / "boot.py").read_bytes() == (ROOM / "boot.py").read_bytes()
    assert not list((made[0] / "shipway").rglob("__pycache__"))
    assert sorted(path.name for path in (tmp_path / "overlays").iterdir()) == [made[0].name, made[0].name + ".lock"]


def test_the_overlay_is_small_and_brings_no_heavy_library(overlay: Path) -> None:
    files = [file for file in overlay.rglob("*") if file.is_file() and file.suffix != ".pyc"]
    assert sum(file.stat().st_size for file in files) < 60e6
    brought = {path.name.partition("-")[0] for path in overlay.glob("*.dist-info")}
    assert brought & {"numpy", "polars", "pyarrow", "pydantic", "pandas", "scikit_learn", "sqlalchemy", "SQLAlchemy"} == set()
    assert len(brought) < 15


def test_a_python_that_does_not_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailed, match=os.fspath(tmp_path / "python")):
        ensure_overlay(tmp_path / "python", cache=tmp_path, report=print)


def test_our_own_lock_is_pinned_and_names_no_address() -> None:
    lock = (ROOM / "overlay.lock").read_bytes()
    assert b"://" not in lock
    assert {"msgspec", "uvicorn", "uvloop", "httptools", "rfc8785"} <= {pin.name for pin in parse_lock(lock)}

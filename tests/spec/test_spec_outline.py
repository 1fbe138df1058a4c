from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from shipway.spec import Outline, SpecMalformed, SpecMissing, load_spec, outline_of, read_outline

SPEC = """project: shop
data:
  files: data/files
  promised: {path: data/promised, contract: promised.yaml}
  rows: {sql: rows.sql, key: id}
  there: {from: s3://bucket/prefix}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "shipway.yaml").write_text(SPEC)
    (tmp_path / "promised.yaml").write_text("rows: {at_least: 1}\n")
    (tmp_path / ".shipway").mkdir()
    return tmp_path / "shipway.yaml"


def _outline(path: Path, by: str = "1") -> Outline:
    return read_outline(path, path.parent / ".shipway" / "cache" / "outline.json", by=by)


def test_an_outline_is_what_the_spec_says_the_first_time_and_from_then_on(path: Path) -> None:
    found = [_outline(path), _outline(path), outline_of(load_spec(path))]
    assert found[0] == found[1] == found[2]
    assert (found[0].project, found[0].root) == ("shop", path.parent)
    assert [(one.name, one.path, one.plain) for one in found[0].data.values()] == [
        ("files", "data/files", True),
        ("promised", "data/promised", True),
        ("rows", "data/rows", False),
        ("there", "data/there", False),
    ]


def test_a_spec_that_has_not_changed_is_not_read_as_yaml(path: Path) -> None:
    _outline(path)
    words = (
        "import sys; from pathlib import Path; from shipway.spec import read_outline; "
        "read_outline(Path('shipway.yaml'), Path('.shipway/cache/outline.json'), by='1'); "
        "sys.exit(str({'yaml', 'msgspec'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", words], cwd=path.parent, capture_output=True, text=True, check=False)
    assert done.stderr.strip() == "set()"


@pytest.mark.parametrize("name", ["shipway.yaml", "promised.yaml"])
def test_what_is_wrong_in_a_changed_file_is_told_each_time(path: Path, name: str) -> None:
    _outline(path)
    (path.parent / name).write_text("rows: [\n")
    for _ in range(2):
        with pytest.raises(SpecMalformed, match="|".join(("not closed", "expected", "YAML", "did not find"))):
            _outline(path)
    (path.parent / name).unlink()
    with pytest.raises((SpecMissing, SpecMalformed)):
        _outline(path)


def test_a_changed_spec_and_another_shipway_are_read_anew(path: Path) -> None:
    _outline(path)
    kept = path.parent / ".shipway/cache/outline.json"
    path.write_text(SPEC.replace("data/files", "elsewhere"))
    assert _outline(path).data["files"].path == "elsewhere"
    kept.write_text(kept.read_text().replace("elsewhere", "nowhere"))
    assert _outline(path).data["files"].path == "nowhere", "it was kept"
    assert _outline(path, by="2").data["files"].path == "elsewhere"


@pytest.mark.parametrize(
    "change",
    [
        lambda _: "",
        lambda _: "{",
        lambda _: "[]",
        lambda _: "[" * 100_000,
        lambda kept: {**kept, "version": 2},
        lambda kept: {**kept, "contracts": []},
        lambda kept: {**kept, "data": [["files", 1, True]]},
        lambda kept: {**kept, "data": 3},
        lambda kept: {name: value for name, value in kept.items() if name != "project"},
        lambda kept: {**kept, "contracts": {"..\0": None}},
    ],
)
def test_what_is_not_as_it_was_kept_is_worked_without(
    path: Path, change: Callable[[dict[str, object]], str | dict[str, object]]
) -> None:
    _outline(path)
    kept = path.parent / ".shipway/cache/outline.json"
    changed = change(json.loads(kept.read_text()))
    kept.write_text(changed if isinstance(changed, str) else json.dumps(changed))
    assert _outline(path) == outline_of(load_spec(path))


def test_without_a_store_nothing_is_kept(path: Path) -> None:
    (path.parent / ".shipway").rmdir()
    assert _outline(path) == outline_of(load_spec(path))
    assert sorted(one.name for one in path.parent.iterdir()) == ["promised.yaml", "shipway.yaml"]

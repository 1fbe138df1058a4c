"""Finding the spec, reading it and its contracts."""

from pathlib import Path

import pytest

from shipway.spec import ContractSpec, SpecMalformed, SpecMissing, find_spec, load_spec


def write(folder: Path, text: str | bytes, name: str = "shipway.yaml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_the_spec_is_found_from_a_folder_below(tmp_path: Path) -> None:
    path = write(tmp_path, "project: p")
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert find_spec(below) == find_spec(tmp_path) == find_spec(path) == path


def test_without_a_spec_the_mend_is_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(SpecMissing) as caught:
        find_spec(tmp_path)
    assert caught.value.code == "spec.missing"
    assert caught.value.mend == "shipway init"


def test_a_file_that_is_not_there_is_missing(tmp_path: Path) -> None:
    with pytest.raises(SpecMissing, match="no such file"):
        load_spec(tmp_path / "shipway.yaml")


def test_a_folder_in_its_place_is_missing(tmp_path: Path) -> None:
    with pytest.raises(SpecMissing, match="is a directory"):
        load_spec(tmp_path)


def test_the_root_is_the_absolute_folder_of_the_spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "project: p")
    monkeypatch.chdir(tmp_path)
    spec = load_spec(Path("shipway.yaml"))
    assert (spec.path, spec.root) == (tmp_path / "shipway.yaml", tmp_path)


def test_errors_name_the_file_as_a_person_there_would(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, "project: p\npolciy: {}")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SpecMalformed) as caught:
        load_spec(path)
    assert caught.value.where == "shipway.yaml:2:1"


def test_a_contract_in_a_file_of_its_own_is_read(tmp_path: Path) -> None:
    path = write(tmp_path, "project: p\ndata: {a: {path: a, contract: contracts/a.yaml}}")
    write(tmp_path, "rows: {at_least: 3}", "contracts/a.yaml")
    data = load_spec(path).data["a"]
    assert data.contract_path == "contracts/a.yaml"
    assert data.contract == ContractSpec(rows_at_least=3)


def test_a_contract_that_is_not_there_is_named_where_the_spec_asks_for_it(tmp_path: Path) -> None:
    path = write(tmp_path, "project: p\ndata: {a: {path: a, contract: contracts/a.yaml}}")
    with pytest.raises(SpecMalformed, match=r"contracts/a\.yaml cannot be read") as caught:
        load_spec(path)
    assert caught.value.where == f"{path}:2:31"


def test_a_mistake_in_a_contract_is_named_in_its_own_file(tmp_path: Path) -> None:
    path = write(tmp_path, "project: p\ndata: {a: {path: a, contract: c.yaml}}")
    write(tmp_path, "rows:\n  at_lest: 3", "c.yaml")
    with pytest.raises(SpecMalformed) as caught:
        load_spec(path)
    assert (caught.value.where, caught.value.mend) == (f"{tmp_path / 'c.yaml'}:2:3", "did you mean `at_least`?")


def test_bytes_that_are_not_utf_8_are_named_by_place(tmp_path: Path) -> None:
    path = write(tmp_path, b"project: p\npipeline: caf\xe9.py")
    with pytest.raises(SpecMalformed, match="0xe9 is not UTF-8") as caught:
        load_spec(path)
    assert caught.value.where == f"{path}:2:14"


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    assert load_spec(write(tmp_path, b"\xef\xbb\xbfproject: p")).project == "p"


def test_a_file_larger_than_a_megabyte_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecMalformed, match="larger than 1 MB"):
        load_spec(write(tmp_path, "project: p\n#" + "x" * 1_000_000))

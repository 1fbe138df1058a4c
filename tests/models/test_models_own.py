"""Models that are classes of a project's own, and folders as one file: what they are given, and what is refused."""

from __future__ import annotations

import io
import stat
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import Descriptor, digest_bytes
from shipway.models import (
    Array,
    Column,
    FunctionWrong,
    InputMismatch,
    ModelUnknown,
    ModelUntrusted,
    functions_blob,
    load_model,
    pack_folder,
)
from shipway.models._folder import unpack_folder
from shipway.models._functions import Functions, describe_with
from shipway.models._load import load_bytes

INPUTS = (Column("x", "FP64"), Column("word", "BYTES"))
X: dict[str, Array] = {"x": np.array([1.0, -1.0]), "word": np.array(["a", None], dtype=object), "key": np.array([1, 2])}
SCALED = """
import json

class Scaled:
    def __init__(self, path):
        self.factor = json.loads(path.read_text())["factor"]

    def predict(self, columns):
        return {"probability": columns["x"] * self.factor, "known": [word is not None for word in columns["word"]]}
"""


class Lines:
    """The lengths of the lines of a folder's file, by which numbers are multiplied."""

    classes = np.array([0, 1])

    def __init__(self, path: Path) -> None:
        self.weights = [len(line) for line in (path / "deep" / "lines.txt").read_text().splitlines()]

    def predict(self, columns: dict[str, Array]) -> object:
        return columns["x"] * sum(self.weights)


def manifest(data: bytes, blob: bytes, **more: Any) -> JsonObject:
    columns = [column.to_json() for column in INPUTS]
    outputs = [{"name": "probability", "datatype": "FP64"}, {"name": "known", "datatype": "BOOL"}]
    source = Descriptor("application/json", digest_bytes(blob), len(blob)).to_json()
    return {
        "kind": "model",
        "version": 1,
        "format": "python",
        "file": Descriptor("application/json", digest_bytes(data), len(data)).to_json(),
        "signature": {"inputs": columns, "outputs": outputs},
        "functions": {"source": source, "before": None, "after": None, "class": "scaled_by_file.Scaled", "inputs": columns},
        **more,
    }


def test_a_class_of_the_projects_own_answers_by_columns(tmp_path: Path) -> None:
    data, blob = b'{"factor": 0.5}', functions_blob({"scaled_by_file.py": SCALED})
    file, functions = tmp_path / "file", tmp_path / "functions"
    file.write_bytes(data)
    functions.write_bytes(blob)
    model = load_model(manifest(data, blob), file, functions)
    found = model.predict(X)
    assert found["probability"].tolist() == [0.5, -0.5]
    assert found["known"].tolist() == [True, False]
    assert {name: array.dtype.kind for name, array in model.predict({name: X[name][:0] for name in X}).items()} == {
        "probability": "f",
        "known": "b",
    }
    with pytest.raises(InputMismatch, match="column word: expected BYTES, given no such column"):
        model.predict({"x": X["x"]})


def test_what_the_class_raises_is_said() -> None:
    def broken(path: Path) -> object:
        raise KeyError(path.name)

    with pytest.raises(FunctionWrong, match="broken cannot be made of its file: KeyError: 'model'"):
        load_bytes("python", b"", INPUTS, own=broken)


def test_a_class_may_be_made_of_a_folder_and_answer_one_array() -> None:
    data = pack_folder({"deep/lines.txt": b"one\nthree", "other": b""})
    model = describe_with(
        Functions(None, None, Lines), INPUTS, X, lambda columns: load_bytes("python-folder", data, columns, own=Lines)
    )
    assert model.predict(X)["prediction"].tolist() == [8.0, -8.0]
    assert [column.to_json() for column in model.signature.outputs] == [{"name": "prediction", "datatype": "FP64"}]
    assert model.classes == [0, 1]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (np.zeros((2, 2)), r"returns prediction of shape \[2, 2\] for 2 rows"),
        ({"probability": np.zeros(3)}, r"returns probability of shape \[3\] for 2 rows"),
        ({"probability": np.zeros(2, dtype=complex)}, "returns probability as complex128"),
        (None, r"returns prediction of shape \[\]"),
    ],
)
def test_answers_that_are_no_columns_of_as_many_rows_are_refused(given: object, says: str) -> None:
    class Wrong:
        def __init__(self, path: Path) -> None: ...

        def predict(self, columns: dict[str, Array]) -> object:
            assert not columns["x"].flags.writeable, "what was asked is logged as it was asked"
            return given

    with pytest.raises(FunctionWrong, match=says):
        load_bytes("python", b"", INPUTS, own=Wrong).predict(X)


def test_a_class_without_predict_is_no_model() -> None:
    with pytest.raises(FunctionWrong, match="Path has no method predict"):
        load_bytes("python", b"", INPUTS, own=Path)
    with pytest.raises(ModelUnknown, match="no model format 'python'"):
        load_bytes("python", b"", INPUTS)


def test_equal_folders_are_equal_bytes_and_come_out_as_they_were() -> None:
    files = {"b/c.txt": b"2", "a": b"1", "b/é": bytes(range(256))}
    data = pack_folder(files)
    assert data == pack_folder(dict(reversed(files.items())))
    folder = unpack_folder(data)
    assert {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()} == files


def archive(*members: tuple[str, bytes], mode: int = stat.S_IFREG | 0o644, packed: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", packed) as made:
        for name, data in members:
            entry = zipfile.ZipInfo(name)
            entry.external_attr, entry.compress_type = mode << 16, packed
            made.writestr(entry, data)
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "a//x", "./x", "C:x", "a\\x", "a\nx", "a/"])
def test_a_path_that_leads_out_of_the_folder_is_refused(name: str) -> None:
    with pytest.raises(ModelUntrusted, match="leads out of the folder"):
        unpack_folder(archive((name, b"")))
    with pytest.raises(ModelUntrusted, match="leads out of the folder"):
        pack_folder({name: b""})


def test_links_bombs_and_cut_folders_are_refused() -> None:
    with pytest.raises(ModelUntrusted, match="no plain stored file"):
        unpack_folder(archive(("x", b"/etc/passwd"), mode=stat.S_IFLNK | 0o777))
    with pytest.raises(ModelUntrusted, match="no plain stored file"):
        unpack_folder(archive(("x", bytes(1 << 20)), packed=zipfile.ZIP_DEFLATED))
    whole = pack_folder({"a": b"1234", "b": b"5678"})
    for cut in (whole[:-1], whole[:40], b"", b"no zip"):
        with pytest.raises(ModelUnknown, match="cannot be read"):
            unpack_folder(cut)
    with pytest.raises(ModelUnknown, match="cannot be read: Bad CRC"):
        unpack_folder(whole.replace(b"1234", b"1235"))
    with pytest.raises(ModelUnknown, match="cannot be read"):
        unpack_folder(archive(("a", b""), ("a/b", b"")))


def test_a_model_of_mlflow_is_loaded_only_where_that_is_allowed() -> None:
    data = pack_folder({"MLmodel": b"flavors: {}"})
    with pytest.raises(ModelUntrusted, match="runs whatever its author put in it"):
        load_bytes("mlflow", data, INPUTS)
    with pytest.raises(ModelUnknown, match="no file MLmodel"):
        load_bytes("mlflow", pack_folder({"model": b""}), INPUTS, pickle=True)

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from models_help import BINARY, INPUTS, NUMBERS, late, manifest_of, matrix, rows, saved, trees

import shipway.environment
from shipway.kernel.digest import Descriptor, digest_bytes
from shipway.models import (
    Column,
    InputMismatch,
    ModelDamaged,
    ModelUnknown,
    ModelUntrusted,
    Predictable,
    Signature,
    load_model,
)
from shipway.models._load import load_bytes
from shipway.models._trust import trusted_types


def load(estimator: Any, folder: Path, inputs: tuple[Column, ...] = NUMBERS) -> Predictable:
    return load_model(*saved(estimator, folder, Signature(inputs, ())))


def test_a_binary_classifier_gives_the_probability_of_its_second_class_bit_by_bit(tmp_path: Path) -> None:
    model = load(trees(), tmp_path, INPUTS)
    given = model.predict(rows())
    expected = trees().predict_proba(matrix(rows(), ["carrier", "hour", "temp"]))[:, 1]
    assert list(given) == ["probability"]
    np.testing.assert_array_equal(given["probability"], expected, strict=True)
    assert model.signature == BINARY


def test_more_classes_give_one_output_each(tmp_path: Path) -> None:
    forest = import_module("sklearn.ensemble").HistGradientBoostingClassifier(max_iter=5, random_state=0)
    forest.fit(matrix(rows(), ["hour", "temp"]), np.array(["early", "late", "never"])[late(rows(), classes=3)])
    given = load(forest, tmp_path).predict(rows())
    assert list(given) == ["probability_early", "probability_late", "probability_never"]
    np.testing.assert_allclose(sum(array.astype(float) for array in given.values()), 1.0)


def test_a_regressor_gives_a_prediction(tmp_path: Path) -> None:
    forest = import_module("sklearn.ensemble").RandomForestRegressor(n_estimators=3, random_state=0)
    forest.fit(matrix(rows(), ["hour", "temp"]), rows()["hour"])
    given = load(forest, tmp_path).predict(rows())
    np.testing.assert_array_equal(given["prediction"], forest.predict(matrix(rows(), ["hour", "temp"])), strict=True)


def test_a_classifier_without_probabilities_gives_its_class(tmp_path: Path) -> None:
    machine = import_module("sklearn.svm").LinearSVC(random_state=0)
    machine.fit(np.nan_to_num(matrix(rows(), ["hour", "temp"])), np.array(["no", "yes"])[late(rows())])
    columns = rows() | {"temp": np.zeros(300)}
    model = load(machine, tmp_path)
    assert set(model.predict(columns)["prediction"].tolist()) <= {"no", "yes"}
    assert model.signature.outputs == (Column("prediction", "BYTES"),)


def test_a_model_fitted_on_named_columns_gets_them_by_name(tmp_path: Path) -> None:
    compose, encoders = import_module("sklearn.compose"), import_module("sklearn.preprocessing")
    table = pl.DataFrame({name: rows()[name].tolist() for name in ("carrier", "hour", "temp")}).with_columns(
        pl.col("temp").fill_nan(0)
    )
    columns = compose.ColumnTransformer(
        [("text", encoders.OneHotEncoder(), ["carrier"]), ("numbers", encoders.StandardScaler(), ["hour", "temp"])]
    )
    model = import_module("sklearn.pipeline").make_pipeline(columns, import_module("sklearn.linear_model").LogisticRegression())
    model.fit(table, late(rows()))
    given = load(model, tmp_path, INPUTS).predict(rows() | {"temp": np.nan_to_num(rows()["temp"].astype(float))})
    np.testing.assert_array_equal(given["probability"], model.predict_proba(table)[:, 1], strict=True)


def test_no_rows_give_no_answers_and_a_mismatch_is_told(tmp_path: Path) -> None:
    model = load(trees(), tmp_path, INPUTS)
    assert model.predict({name: array[:0] for name, array in rows().items()})["probability"].shape == (0,)
    with pytest.raises(InputMismatch, match="column hour"):
        model.predict({name: array for name, array in rows().items() if name != "hour"})


def test_a_flipped_byte_is_refused_by_file_and_both_digests(tmp_path: Path) -> None:
    manifest, path = saved(trees(), tmp_path, BINARY)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModelDamaged) as damage:
        load_model(manifest, path)
    assert damage.value.where == str(path)
    assert damage.value.expected == Descriptor.from_json(manifest["file"]).digest
    assert damage.value.found == digest_bytes(bytes(data))
    assert damage.value.expected in damage.value.what
    assert damage.value.found in damage.value.what


class Exploding:
    def __reduce__(self) -> tuple[Any, ...]:
        return pytest.fail, ("a pickle was loaded",)


@pytest.mark.parametrize("format", ["pickle", "joblib", "cloudpickle"])
def test_a_pickle_is_refused_unread(tmp_path: Path, format: str) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(Exploding()))
    with pytest.raises(ModelUntrusted) as refusal:
        load_model(manifest_of(path, BINARY, format=format), path)
    assert "approved release" in str(refusal.value.mend)


def test_other_formats_and_other_bytes_are_unknown(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(b"not a zip")
    with pytest.raises(ModelUnknown, match="no model format 'tf'"):
        load_model(manifest_of(path, BINARY, format="tf"), path)
    with pytest.raises(ModelUnknown, match="not a skops file"):
        load_model(manifest_of(path, BINARY), path)


def test_a_type_off_the_list_is_refused_by_name(tmp_path: Path) -> None:
    own = import_module("sklearn.preprocessing").FunctionTransformer(late)
    model = import_module("sklearn.pipeline").make_pipeline(own, trees()[-1])
    with pytest.raises(ModelUntrusted) as refusal:
        load(model, tmp_path)
    assert refusal.value.types == ("models_help.late",)


def test_nearest_neighbours_in_a_kd_tree_are_not_trusted(tmp_path: Path) -> None:
    neighbours = import_module("sklearn.neighbors").KNeighborsClassifier(algorithm="kd_tree")
    neighbours.fit(np.nan_to_num(matrix(rows(), ["hour", "temp"])), late(rows()))
    with pytest.raises(ModelUntrusted, match="KDTree"):
        load(neighbours, tmp_path)


def test_a_manifest_of_another_version_is_refused(tmp_path: Path) -> None:
    manifest, path = saved(trees(), tmp_path, BINARY)
    for other in ({"version": 2}, {"kind": "snapshot"}):
        with pytest.raises(ModelUnknown, match="a model of version 1 was expected"):
            load_model({**manifest, **other}, path)


def test_a_file_whose_nodes_were_changed_by_hand_is_refused_by_what_is_wrong(tmp_path: Path) -> None:
    """The array of nodes in the archive asks for column 2,000,000,000, which makes scikit-learn read wild memory."""
    _, path = saved(trees(), tmp_path, BINARY)
    parts = {name: zipfile.ZipFile(path).read(name) for name in zipfile.ZipFile(path).namelist()}
    for name, data in parts.items():
        if name.endswith(".npy") and (nodes := np.load(io.BytesIO(data))).dtype.names and "feature_idx" in nodes.dtype.names:
            nodes["feature_idx"][0] = 2_000_000_000
            buffer = io.BytesIO()
            np.save(buffer, nodes)
            parts[name] = buffer.getvalue()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    with pytest.raises(ModelUntrusted, match="a feature it does not have: number 2000000000 of 3"):
        load_model(manifest_of(path, BINARY), path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda model: model._predictors[0][0].__dict__.update(raw_left_cat_bitsets=np.zeros((9, 1), np.uint32)), "categories"),
        (
            lambda model: model._predictors[0][0].__dict__.update(binned_left_cat_bitsets=np.zeros((0, 8), np.uint32)),
            "categories",
        ),
        (lambda model: model._predictors[0][0].__dict__.update(nodes=model._predictors[0][0].nodes[:0]), "no nodes"),
        (lambda model: model._bin_mapper.__dict__.update(is_categorical_=np.zeros(3, np.uint8)), "by category"),
        (lambda model: model.__dict__.update(n_features_in_=2), "bins of 3 features where its model takes 2"),
        (lambda model: model.__dict__.pop("n_features_in_"), "in no model that says"),
        (lambda model: model._preprocessor.transformers_.pop(0), "not made as scikit-learn"),
    ],
)
def test_boosted_trees_that_do_not_fit_their_model_are_refused(
    tmp_path: Path, change: Callable[[Any], object], words: str
) -> None:
    wild = pickle.loads(pickle.dumps(trees()))
    nodes = wild[-1]._predictors[0][0].nodes
    nodes["is_categorical"][0], nodes["feature_idx"][0] = 1, 0  # the carrier
    wild[-1]._predictors[0][0].raw_left_cat_bitsets = np.zeros((9, 8), np.uint32)
    wild[-1]._predictors[0][0].binned_left_cat_bitsets = np.zeros((9, 8), np.uint32)
    load(wild, tmp_path, INPUTS)
    change(wild[-1])
    with pytest.raises(ModelUntrusted, match=words):
        load(wild[-1], tmp_path, INPUTS)


def test_a_forest_that_feeds_its_trees_fewer_columns_than_they_take_is_refused(tmp_path: Path) -> None:
    forest = import_module("sklearn.ensemble").RandomForestClassifier(n_estimators=2, random_state=0)
    forest.fit(matrix(rows(), ["hour", "temp"]), late(rows()))
    load(forest, tmp_path)
    forest.n_features_in_ = 1
    with pytest.raises(ModelUntrusted, match="takes 2 where its model takes 1"):
        load(forest, tmp_path)


@pytest.mark.parametrize(
    ("field", "value"), [("left", 10_000), ("right", 0), ("bitset_idx", 999), ("feature_idx", 3), ("feature_idx", -1)]
)
def test_boosted_trees_that_point_outside_are_refused(tmp_path: Path, field: str, value: int) -> None:
    wild = pickle.loads(pickle.dumps(trees()))
    nodes = wild[-1]._predictors[0][0].nodes
    inner = np.flatnonzero((nodes["is_leaf"] == 0) & ((nodes["is_categorical"] != 0) | (field != "bitset_idx")))
    if not inner.size:
        nodes["is_categorical"][0], inner = 1, np.array([0])
    nodes[field][inner[0]] = value
    with pytest.raises(ModelUntrusted, match="a tree"):
        load(wild, tmp_path, INPUTS)


def test_decision_trees_that_point_outside_are_refused(tmp_path: Path) -> None:
    tree = import_module("sklearn.tree").DecisionTreeClassifier(max_depth=3, random_state=0)
    tree.fit(matrix(rows(), ["hour", "temp"]), late(rows()))
    tree.tree_.children_left[0] = 5_000
    with pytest.raises(ModelUntrusted, match="points outside"):
        load(tree, tmp_path)


def test_the_runner_and_the_loader_trust_the_same_types() -> None:
    runner = (Path(shipway.environment.__file__).parent / "runner" / "v1.py").read_text()
    names = runner.split("TRUSTED = frozenset(")[1].split(")")[0]
    kept = {line.strip().strip('",') for line in names.splitlines() if line.strip().startswith('"')}
    assert kept == trusted_types("1.9")


def test_a_skops_file_that_unpacks_to_more_than_it_is_is_refused_unread() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", bytes(5_000_000))
    with pytest.raises(ModelUntrusted, match="would unpack to 5,000,000 bytes"):
        load_bytes("skops", buffer.getvalue(), ())
    with pytest.raises(ModelUnknown, match="not a skops file"):
        load_bytes("skops", buffer.getvalue()[:-30], ())

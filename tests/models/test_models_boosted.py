"""XGBoost's JSON and LightGBM's text: the same answers as the library's own, and no index that leads outside."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest
import xgboost
from models_help import late, manifest_of, matrix, rows

from shipway.models import Array, Column, ModelUnknown, ModelUntrusted, Predictable, Signature, load_model, xgboost_json
from shipway.models._load import load_bytes

NUMBERS = (Column("hour", "INT64"), Column("temp", "FP64"))
NAMES = ["hour", "temp"]


def load(format: str, data: str, folder: Path, inputs: tuple[Column, ...] = NUMBERS) -> Predictable:
    path = folder / "model"
    path.write_bytes(data.encode())
    return load_model(manifest_of(path, Signature(inputs, ()), format=format), path)


def table() -> Array:
    return matrix(rows(), NAMES)


def text_of(model: Any) -> tuple[str, str]:
    """The format and the file of a model, as the runner keeps it."""
    if isinstance(model, xgboost.XGBModel):
        model.get_booster().set_attr(scikit_learn="{}")  # as XGBModel.save_model writes it
        model = model.get_booster()
    if isinstance(model, xgboost.Booster):
        return "xgboost", bytes(model.save_raw("json")).decode()
    booster = model if isinstance(model, lightgbm.Booster) else model.booster_
    return "lightgbm", booster.model_to_string()


@cache
def binary(library: str) -> str:
    if library == "xgboost":
        return text_of(xgboost.XGBClassifier(n_estimators=4, max_depth=3, n_jobs=1).fit(table(), late(rows())))[1]
    return text_of(light(lightgbm.LGBMClassifier).fit(table(), late(rows())))[1]


def light(kind: Any, **options: Any) -> Any:
    return kind(n_estimators=4, num_leaves=5, n_jobs=1, verbose=-1, **options)


def early_stopped() -> Any:
    model = xgboost.XGBClassifier(n_estimators=40, max_depth=6, early_stopping_rounds=2, n_jobs=1)
    noise = np.random.default_rng(0).integers(0, 2, 300)
    return model.fit(table(), late(rows()), eval_set=[(table(), noise)], verbose=False)


MODELS: dict[str, tuple[Callable[[], Any], list[str]]] = {
    "xgboost, two classes": (
        lambda: xgboost.XGBClassifier(n_estimators=4, n_jobs=1).fit(table(), late(rows())), ["probability"]
    ),
    "xgboost, stopped early": (early_stopped, ["probability"]),
    "xgboost, three classes": (
        lambda: xgboost.XGBClassifier(n_estimators=3, booster="dart", n_jobs=1).fit(table(), late(rows(), classes=3)),
        ["probability_0", "probability_1", "probability_2"],
    ),
    "xgboost, a number": (lambda: xgboost.XGBRegressor(n_estimators=3, n_jobs=1).fit(table(), rows()["hour"]), ["prediction"]),
    "lightgbm, two classes": (lambda: light(lightgbm.LGBMClassifier).fit(table(), late(rows())), ["probability"]),
    "lightgbm, three classes": (
        lambda: light(lightgbm.LGBMClassifier).fit(table(), late(rows(), classes=3)),
        ["probability_0", "probability_1", "probability_2"],
    ),
    "lightgbm, a number": (
        lambda: light(lightgbm.LGBMRegressor, boosting_type="rf", subsample=0.7, subsample_freq=1).fit(table(), rows()["hour"]),
        ["prediction"],
    ),
    "lightgbm, one leaf": (
        lambda: light(lightgbm.LGBMClassifier, min_child_samples=400).fit(table(), late(rows())), ["probability"]
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_a_booster_answers_as_its_own_library_does(tmp_path: Path, name: str) -> None:
    make, outputs = MODELS[name]
    fitted = make()
    model = load(*text_of(fitted), tmp_path)
    assert [column.name for column in model.signature.outputs] == outputs
    expected = fitted.predict_proba(table())[:, -len(outputs) :] if outputs != ["prediction"] else fitted.predict(table())
    given = model.predict(rows())
    np.testing.assert_array_equal(
        np.column_stack([given[name] for name in outputs]), np.asarray(expected, "f8").reshape(300, -1), strict=True
    )
    assert model.predict({name: array[:0] for name, array in rows().items()})[outputs[0]].shape == (0,)


def test_features_with_names_are_fed_by_name(tmp_path: Path) -> None:
    names = ["temp", "the hour"]
    swapped = table()[:, ::-1]
    inputs = (Column("the hour", "INT64"), Column("temp", "FP64"))
    columns = rows() | {"the hour": rows()["hour"]}
    ours: list[Any] = [
        xgboost.train({"nthread": 1}, xgboost.DMatrix(swapped, late(rows()), feature_names=names), 2),
        lightgbm.train({"verbose": -1, "num_threads": 1}, lightgbm.Dataset(swapped, late(rows()), feature_name=names), 2),
    ]
    asked = [ours[0].inplace_predict(swapped), ours[1].predict(swapped)]
    for booster, expected in zip(ours, asked, strict=True):
        given = load(*text_of(booster), tmp_path, inputs).predict(columns)["prediction"]
        np.testing.assert_array_equal(given, expected.astype("f8"), strict=True)
        with pytest.raises(ModelUnknown, match=r"the file takes temp, the.hour; the columns are hour, temp"):
            load(*text_of(booster), tmp_path)


@pytest.mark.parametrize("library", ["xgboost", "lightgbm"])
def test_columns_of_text_or_of_another_number_are_told(tmp_path: Path, library: str) -> None:
    with pytest.raises(ModelUnknown, match="takes numbers, and the column carrier is text"):
        load(library, binary(library), tmp_path, (Column("carrier", "BYTES"), NUMBERS[0]))
    with pytest.raises(ModelUnknown, match="the file takes 2 features; the columns are hour"):
        load(library, binary(library), tmp_path, NUMBERS[:1])


@pytest.mark.parametrize("library", ["xgboost", "lightgbm"])
@pytest.mark.parametrize("data", ["", "{}", "[1]", "tree\n", "PK\x03\x04", "[" * 100_000, "tree\nversion=v4\nend of trees\n"])
def test_other_bytes_are_no_booster(tmp_path: Path, library: str, data: str) -> None:
    with pytest.raises(ModelUnknown, match=r"not the (JSON that XGBoost|text that LightGBM) saves"):
        load(library, data, tmp_path)


def test_splits_by_category_are_kept(tmp_path: Path) -> None:
    data = lightgbm.Dataset(table(), late(rows()), categorical_feature=[0])
    few = {"verbose": -1, "num_threads": 1, "min_data_per_group": 5, "objective": "binary"}
    light_one = lightgbm.train(few, data, 3)
    whole = xgboost.DMatrix(table(), late(rows()), feature_types=["c", "q"], enable_categorical=True)
    other = xgboost.train({"nthread": 1, "max_cat_to_onehot": 1, "objective": "binary:logistic"}, whole, 3)
    assert '"categories_nodes":[1' in text_of(other)[1]
    assert "cat_threshold" in text_of(light_one)[1]
    for booster, expected in ((light_one, light_one.predict(table())), (other, other.predict(whole))):
        given = load(*text_of(booster), tmp_path).predict(rows())
        np.testing.assert_array_equal(given["probability"], np.asarray(expected, "f8"), strict=True)


def changed(**changes: Any) -> str:
    """XGBoost's file with other values in its first tree."""
    record = json.loads(binary("xgboost"))
    tree = record["learner"]["gradient_booster"]["model"]["trees"][0]
    for name, value in changes.items():
        tree[name] = [*value, *tree[name][1:]] if value is not None else 1
    return json.dumps(record)


def elsewhere(path: str, value: Any) -> str:
    record = json.loads(binary("xgboost"))
    place = record["learner"]
    *parts, last = path.split(".")
    for part in parts:
        place = place[part]
    place[last] = value
    return json.dumps(record)


HOSTILE = {
    "feature": changed(split_indices=[2]),
    "feature below": changed(split_indices=[-1]),
    "child": changed(left_children=[900]),
    "child below": changed(left_children=[-5]),
    "itself": changed(left_children=[0]),
    "one child": changed(right_children=[-1]),
    "two parents": changed(left_children=[2]),
    "another parent": changed(parents=[0]),
    "parent outside": binary("xgboost").replace('"parents":[2147483647,0,', '"parents":[2147483647,536870923,', 1),
    "shorter": changed(split_conditions=[]),
    "other sums": changed(sum_hessian=[]),
    "fraction": changed(split_indices=[0.5]),
    "category": changed(split_type=[1]),
    "number of another": changed(id=None),
    "class": elsewhere("gradient_booster.model.tree_info", [0, 0, 0, 7]),
    "trees": elsewhere("gradient_booster.model.gbtree_model_param.num_trees", "9"),
    "rounds": elsewhere("gradient_booster.model.iteration_indptr", [0, 1, 2, 3, 99]),
    "base scores": elsewhere("learner_model_param.base_score", "[0.5,0.5,0.5]"),
    "classes": elsewhere("objective", {"name": "multi:softprob", "softmax_multiclass_param": {"num_class": "90"}}),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_file_of_xgboost_that_leads_outside_itself_is_refused(
    tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xgboost, "Booster", lambda *_: pytest.fail("the file was given to XGBoost"))
    with pytest.raises(ModelUntrusted):
        load("xgboost", HOSTILE[what], tmp_path)


def test_a_name_that_comes_twice_is_refused_since_libraries_differ_in_which_counts(tmp_path: Path) -> None:
    twice = binary("xgboost").replace('"split_indices":', '"split_indices":[9,9,9,9,9,9,9],"split_indices":', 1)
    with pytest.raises(ModelUnknown, match="a name comes twice"):
        load("xgboost", twice, tmp_path)
    with pytest.raises(ModelUnknown, match="num_leaves comes twice"):
        load("lightgbm", sized(binary("lightgbm").replace("num_leaves=5\n", "num_leaves=5\nnum_leaves=5\n", 1)), tmp_path)


def sized(text: str) -> str:
    """LightGBM's file with the sizes of its trees counted again."""
    header, _, rest = text.partition("Tree=0\n")
    trees = ("Tree=0\n" + rest.partition("end of trees\n")[0]).split("Tree=")[1:]
    sizes = " ".join(str(len("Tree=" + tree)) for tree in trees)
    lines = [f"tree_sizes={sizes}" if line.startswith("tree_sizes=") else line for line in header.split("\n")]
    return "\n".join(lines) + "Tree=0\n" + rest


def line_of(name: str, change: Callable[[list[str]], list[str]]) -> str:
    """LightGBM's file with another line of its first tree."""
    text = binary("lightgbm")
    begin = text.index(f"\n{name}=") + 1
    end = text.index("\n", begin)
    values = change(text[begin:end].partition("=")[2].split())
    return sized(f"{text[:begin]}{name}={' '.join(values)}{text[end:]}")


WILD = {
    "feature": line_of("split_feature", lambda values: ["2", *values[1:]]),
    "feature below": line_of("split_feature", lambda values: ["-1", *values[1:]]),
    "node": line_of("left_child", lambda values: ["77", *values[1:]]),
    "leaf": line_of("left_child", lambda values: ["-99", *values[1:]]),
    "itself": line_of("left_child", lambda values: ["0", *values[1:]]),
    "shorter": line_of("right_child", lambda values: values[1:]),
    "leaves": line_of("num_leaves", lambda _: ["900"]),
    "values": line_of("leaf_value", lambda values: values[1:]),
    "weights": line_of("leaf_weight", lambda values: values[1:]),
    "sums": line_of("internal_value", lambda values: [*values, "1"]),
    "category": line_of("decision_type", lambda values: ["1", *values[1:]]),
    "classes": sized(binary("lightgbm").replace("objective=binary sigmoid:1", "objective=multiclass num_class:90")),
    "sizes": binary("lightgbm").replace("tree_sizes=", "tree_sizes=9"),
}


@pytest.mark.parametrize("what", WILD)
def test_a_file_of_lightgbm_that_leads_outside_itself_is_refused(
    tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lightgbm, "Booster", lambda **_: pytest.fail("the file was given to LightGBM"))
    with pytest.raises(ModelUntrusted):
        load("lightgbm", WILD[what], tmp_path)


@pytest.mark.parametrize("wrong", ["[num_machines: 102\nde]", "[tweedie_v]", "[tree_learner: ]" * 9, "[max_bin: 255]\n]["])
def test_how_a_model_of_lightgbm_was_trained_is_not_given_to_lightgbm(tmp_path: Path, wrong: str) -> None:
    """A line of it that is cut ends the process."""
    data = binary("lightgbm").replace("[num_machines: 1]", wrong)
    assert data != binary("lightgbm")
    answers = [load("lightgbm", text, tmp_path).predict(rows())["probability"] for text in (binary("lightgbm"), data)]
    np.testing.assert_array_equal(answers[0], answers[1])


@pytest.mark.parametrize("library", ["xgboost", "lightgbm"])
def test_a_number_changed_anywhere_is_refused_or_answers(tmp_path: Path, library: str) -> None:
    """What is not refused is given to the library and asked: a crash would end this process."""
    draw, text, refused = random.Random(0), binary(library), 0
    digits = [place for place, letter in enumerate(text) if letter.isdigit()]
    for _ in range(150):
        place = draw.choice(digits)
        data = text[:place] + draw.choice("0123456789-") + text[place + 1 :]
        try:
            load(library, data if library == "xgboost" else sized(data), tmp_path).predict(rows())
        except (ModelUnknown, ModelUntrusted):
            refused += 1
    assert 0 < refused < 150


def test_the_binary_form_of_xgboost_becomes_the_json_of_the_very_same_trees() -> None:
    for kind in ("two classes", "three classes", "a number"):
        booster = MODELS[f"xgboost, {kind}"][0]().get_booster()
        binary_form = bytes(booster.save_raw("ubj"))
        again = xgboost.Booster()
        again.load_model(bytearray(xgboost_json(binary_form)))
        assert again.save_raw("json") == booster.save_raw("json")
    draw = random.Random(0)
    for _ in range(100):
        place = draw.randrange(len(binary_form))
        for changed in (binary_form[:place], binary_form[:place] + bytes([draw.randrange(256)]) + binary_form[place + 1 :]):
            with suppress(ModelUnknown, ModelUntrusted):
                load_bytes("xgboost", xgboost_json(changed), NUMBERS).predict(rows())

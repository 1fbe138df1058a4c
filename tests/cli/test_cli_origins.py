"""A model that was fine-tuned from another keeps where it comes from: in the model, its release, card, bill and lineage."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_project import Project

from shipway.kernel.digest import Digest
from shipway.release import load_facts, note_lineage, render_bom, render_card, trace_lineage

pytest_plugins = ["cli_fixtures"]

LORA = "sha256:" + "b" * 64
FINER = '''

def finer(above: LogisticRegression, train: pl.DataFrame) -> LogisticRegression:
    """Goes on from the base model's weights for a few steps on the newest days."""
    from sklearn.linear_model import LogisticRegression

    newest = train.tail(100)
    model = LogisticRegression(warm_start=True, max_iter=5)
    model.classes_, model.coef_, model.intercept_ = above.classes_, above.coef_.copy(), above.intercept_.copy()
    return model.fit(newest.select("x", "y").to_numpy(), newest["above"].to_numpy())
'''
MODEL = f"""  finer:
    target: above
    key: point
    time: day
    base: model/above
    adapters:
      - {{name: example/points-lora, revision: 5f3c, digest: "{LORA}"}}
"""


@pytest.fixture(scope="module")
def tuned(released: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project that made a model and one that goes on from it, declared before its base."""
    project = released.copy(tmp_path_factory.mktemp("tuned") / "project")
    project.fit_with_sklearn()
    project.edit("models:\n", "models:\n" + MODEL)
    project.edit("line@prod: {}", "line@prod: {uses: [finer]}")
    steps = project.root / "steps.py"
    steps.write_text(steps.read_text() + FINER)
    for word in ("run", "release"):
        project.ask(word)
    return project


def test_the_model_says_its_base_by_digest_and_its_adapters_by_revision_and_hash(tuned: Project) -> None:
    base, model = (tuned.store.resolve(f"model/{name}") for name in ("above", "finer"))
    record = tuned.store.get(model, "model")
    assert record["base"] == {"name": "model/above", "digest": base}
    assert record["adapters"] == [{"name": "example/points-lora", "revision": "5f3c", "digest": LORA}]
    assert not {"base", "adapters"} & tuned.store.get(base, "model").keys()


def test_release_bill_and_card_name_the_base_model_and_the_adapters(tuned: Project) -> None:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    base = tuned.store.resolve("model/above")
    facts = load_facts(tuned.store, tuned.keys, tuned.store.resolve("release/line"))
    text = render_bom(facts)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    (model,) = [one for one in json.loads(text)["components"] if one["type"] == "machine-learning-model"]
    ancestors = {one["name"]: one for one in model["pedigree"]["ancestors"]}
    assert ancestors["model/above"]["hashes"] == [{"alg": "SHA-256", "content": base.removeprefix("sha256:")}]
    assert ancestors["example/points-lora"]["version"] == "5f3c"
    card = render_card(facts)
    assert f"| base model | model/above, {base} |" in card
    assert f"| adapters | example/points-lora, revision 5f3c, {LORA} |" in card


def test_lineage_leads_from_the_release_to_the_base_model_and_back(tuned: Project) -> None:
    base, model = (tuned.store.resolve(f"model/{name}") for name in ("above", "finer"))
    roles = {child.digest: child.role for child in trace_lineage(tuned.store, model, depth=1).next}
    assert roles[base] == "base"
    assert roles[Digest(LORA)] == "adapters"
    note_lineage(tuned.store)
    assert model in {child.digest for child in trace_lineage(tuned.store, base, down=True, depth=1).next}


@pytest.mark.slow
def test_a_rebuilt_fine_tuned_model_is_the_same_model(tuned: Project, tmp_path: Path) -> None:
    answered = tuned.ask("rebuild", "release/line", "--in", str(tmp_path / "again"))
    assert answered["equality"] == "EQUAL (bytes)"

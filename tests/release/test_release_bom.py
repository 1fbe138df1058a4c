"""The bill of materials and the card of a release: what the standard's own validator accepts, and the same text each time."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from assistant_help import Assistant
from release_help import REF, Project, approve, put_live

from shipway.gate import revoke
from shipway.release import attachments_of, explain_object, load_facts, render_bom, render_card, render_reason
from shipway.release._card import _cell

pytest_plugins = ["cli_fixtures"]


@pytest.fixture(scope="module")
def live(released: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose release was checked, approved and applied. Never to be changed."""
    project = released.copy(tmp_path_factory.mktemp("bom") / "project")
    put_live(project, project.store.resolve("release/line"))
    return project


def bom(project: Project | Assistant, name: str, **about: str) -> dict[str, Any]:
    """The bill of the release at a ref, valid by the strict schema."""
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    text = render_bom(load_facts(project.store, project.keys, project.store.resolve(name)), about=about)
    problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    assert problem is None, problem
    document: dict[str, Any] = json.loads(text)
    return document


def component(document: dict[str, Any], start: str) -> dict[str, Any]:
    (found,) = [one for one in document["components"] if one["bom-ref"].startswith(start)]
    assert isinstance(found, dict)
    return found


def test_a_bill_names_release_components_model_and_metrics_with_intervals(live: Project) -> None:
    document = bom(live, "release/line", above="Tells above from below.")
    assert document["metadata"]["component"]["version"] == live.store.resolve("release/line")
    model = component(document, "model/above@")
    assert model["type"] == "machine-learning-model"
    metrics = {one["type"]: one for one in model["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]}
    auc = metrics["auc"]
    low, high = (float(auc["confidenceInterval"][bound]) for bound in ("lowerBound", "upperBound"))
    assert low <= float(auc["value"]) <= high
    assert low < high
    assert model["modelCard"]["considerations"] == {"useCases": ["Tells above from below."]}
    (data,) = model["modelCard"]["modelParameters"]["datasets"]
    assert component(document, "data/points@")["bom-ref"] == data["ref"]
    assert component(document, "data/points@")["data"][0]["description"] == "2 files, 12,596 bytes, 600 rows"


def test_a_bill_has_every_locked_library_with_purl_and_hashes(live: Project) -> None:
    document = bom(live, "release/line")
    lock = (live.root / "requirements.lock").read_text()
    libraries = [one for one in document["components"] if one["type"] == "library"]
    pins = {tuple(pair) for pair in re.findall(r"^([\w.-]+)==([^\s;\\]+)", lock, re.M)}
    assert {(one["name"], one["version"]) for one in libraries} == pins
    assert all(one["purl"] == f"pkg:pypi/{one['name'].lower()}@{one['version']}" for one in libraries)
    hashes = {entry["content"] for one in libraries for entry in one["hashes"]}
    assert hashes == set(re.findall(r"sha256:([0-9a-f]{64})", lock))


def test_a_bill_says_who_depends_on_whom(live: Project) -> None:
    document = bom(live, "release/line")
    needs = {one["ref"]: set(one.get("dependsOn", [])) for one in document["dependencies"]}
    model, environment = component(document, "model/above@")["bom-ref"], component(document, "environment/@")["bom-ref"]
    assert model in needs[document["metadata"]["component"]["bom-ref"]]
    assert {ref.partition("/")[0] for ref in needs[model]} == {"data", "code", "environment", "pipeline"}
    assert {ref.partition("@")[0] for ref in needs[environment]} >= {"numpy", "scikit-learn"}
    known = {one["bom-ref"] for one in document["components"]} | {document["metadata"]["component"]["bom-ref"]}
    assert set().union(*needs.values()) <= known


def test_the_same_release_and_evidence_give_the_same_bytes_and_more_evidence_a_later_version(
    released: Project, tmp_path: Path
) -> None:
    project = released.copy(tmp_path / "project")
    release = project.store.resolve("release/line")
    texts = {render_bom(load_facts(project.store, project.keys, release)) for _ in range(2)}
    assert len(texts) == 1
    before = json.loads(texts.pop())
    approve(project, release)
    after = json.loads(render_bom(load_facts(project.store, project.keys, release)))
    assert before["serialNumber"] == after["serialNumber"]
    assert (before["version"] + 1, before["components"]) == (after["version"], after["components"])


def test_a_revoked_release_says_so_first(released: Project, tmp_path: Path) -> None:
    project = released.copy(tmp_path / "project")
    release = project.store.resolve("release/line")
    arguments = (project.store, project.keys, project.signer, project.actor)
    revoke(*arguments, digest=release, name="line", why="leaks | ids", resource="release/line")
    card = render_card(load_facts(project.store, project.keys, release))
    assert f"**Revoked** by {project.who}" in card.split("## ")[0]
    assert "leaks \\| ids" in card
    named = bom(project, "release/line")["metadata"]["component"]["properties"]
    assert named == [{"name": "shipway:revoked", "value": "leaks | ids"}]
    why = list(render_reason(explain_object(project.store, project.keys, release)))
    assert any(line.strip().startswith(f"REVOKED by {project.who}") for line in why)
    revoke(*arguments, digest=release, name="line", why="it was another", resource="release/line", lift=True)
    assert "Revoked" not in render_card(load_facts(project.store, project.keys, release))


def test_an_application_that_answers_has_its_provider_as_a_model_and_its_golden_set_as_metrics(tmp_path: Path) -> None:
    project = Assistant(tmp_path)
    assert project.live
    document = bom(project, "release/assistant")
    provider = component(document, "provider/answer@")
    assert (provider["type"], provider["name"]) == ("machine-learning-model", "smollm2")
    (metric,) = provider["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    assert (metric["type"], metric["value"]) == ("golden.contains", "0.6")
    (index,) = provider["modelCard"]["modelParameters"]["datasets"]
    assert index["ref"] == component(document, "index/docs@")["bom-ref"]


def test_evidence_that_does_not_count_is_in_neither(live: Project, tmp_path: Path) -> None:
    """Somewhere else nobody is trusted: what is left is what the objects say."""
    from shipway.access import open_keys

    facts = load_facts(live.store, open_keys(tmp_path / "other")[1], live.store.resolve("release/line"))
    assert facts.statements == 0
    card = render_card(facts)
    assert "Nothing was measured that counts." in card
    assert "None that counts." in card
    assert "performanceMetrics" not in render_bom(facts)


def test_without_the_library_a_bill_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['cyclonedx.model.bom'] = None\n"
        "from shipway.release import BomUnavailable, ReleaseFacts, render_bom\n"
        "try:\n    render_bom(ReleaseFacts('sha256:' + 'a' * 64, '', (), (), (), (), (), (), 0))\n"
        "except BomUnavailable as problem:\n    print(problem.mend)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said == "pip install 'shipway[bom]'\n"


# the card


def sections(card: str) -> Iterator[tuple[str, str]]:
    for part in re.split(r"^(?=## )", card, flags=re.M)[1:]:
        title, _, text = part.partition("\n")
        yield title.removeprefix("## "), text


def test_a_card_says_data_training_evaluation_limits_approvals_and_environment(live: Project) -> None:
    release = live.store.resolve("release/line")
    about = {"above": "Tells above from below.\n\n## Data"}
    card = render_card(load_facts(live.store, live.keys, release), about=about)
    found = dict(sections(card))
    assert list(found) == [
        "Intended use",
        "Model above",
        "Data",
        "Limits that it had to keep",
        "Approvals and rebuilds",
        "Environment",
        "How to verify",
    ]
    assert "| points | `" + live.store.resolve("data/points") in found["Data"]
    assert "| 600 | 2 | 12,596 | pass: 6 rules hold in 600 rows |" in found["Data"]
    assert "| by | ann@example.org |" in found["Model above"]
    assert re.search(r"\| auc \| 1 \| 0\.\d+ to 1 \| 95% \| 300 \|", found["Model above"])
    assert "at least 0.6 at 95%" in found["Limits that it had to keep"]
    assert f"`{REF}`" in found["Limits that it had to keep"]
    assert "| approval | ann@example.org |" in found["Approvals and rebuilds"]
    assert "scikit-learn" in found["Environment"]
    assert found["Intended use"].strip() == "> Tells above from below.\n>\n> ## Data"
    assert card == render_card(load_facts(live.store, live.keys, release), about=about)


def test_a_card_of_an_application_that_answers_has_prompt_provider_index_and_golden_set(tmp_path: Path) -> None:
    project = Assistant(tmp_path)
    found = dict(sections(render_card(load_facts(project.store, project.keys, project.live))))
    answering = found["Prompt, provider, index"]
    assert "| prompt | answer | asks answer, 3 passages of docs |" in answering
    assert "| index | docs | 3 documents, 3 chunks, embedded by minilm |" in answering
    assert "| golden.contains | 0.6 | 0.55 to 0.65 | 95% | 40 |" in answering
    assert "smollm2 at http://127.0.0.1:4790/v1" in answering


def test_nothing_that_somebody_named_gets_out_of_its_cell() -> None:
    assert _cell("a | b\n# c <script> [x](y) \\") == "a \\| b # c &lt;script> \\[x\\](y) \\\\"


def test_the_commands_write_attach_and_read_the_owners_words(released: Project, tmp_path: Path) -> None:
    project = released.copy(tmp_path / "project")
    project.edit("    key: point\n", "    key: point\n    card: about.md\n")
    (project.root / "about.md").write_text("Only for points on paper.")
    release = project.store.resolve("release/line")
    assert project.ask("release", "card", "release/line", "-o", "card.md", "--attach")["release"] == release
    assert "Only for points on paper." in (project.root / "card.md").read_text()
    assert project.ask("release", "bom", "release/line", "-o", "bom.json", "--attach")["attached"]
    assert json.loads((project.root / "bom.json").read_text())["bomFormat"] == "CycloneDX"
    kept = {one.media_type: project.store.objects.get(one.data.digest) for one in attachments_of(project.store, release)}
    assert kept == {
        "text/markdown": (project.root / "card.md").read_bytes(),
        "application/vnd.cyclonedx+json": (project.root / "bom.json").read_bytes(),
    }
    missing = project.cli("release", "card", "release/line", "-o", "nowhere/card.md", "--json")
    assert missing.document["error"]["code"] == "cli.misused"

"""What a fine-tuned model came from, as the spec says it."""

from __future__ import annotations

import pytest

from shipway.spec import OriginSpec, Spec, SpecMalformed, parse_spec

DIGEST = "sha256:" + "a" * 64


def spec(base: str, more: str = "") -> Spec:
    return parse_spec(
        f"project: p\npipeline: s.py\nmodels:\n  first: {{target: y}}\n  tuned: {{target: y, base: {base}{more}}}\n",
        path="shipway.yaml",
    )


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("model/first", OriginSpec(name="model/first", ref="model/first")),
        ("data/foundation", OriginSpec(name="data/foundation", ref="data/foundation")),
        (f'"{DIGEST}"', OriginSpec(name=DIGEST[:19], digest=DIGEST, kept=True)),
        ("{name: org/m, revision: r1}", OriginSpec(name="org/m", revision="r1")),
        (f'{{name: org/m, digest: "{DIGEST}"}}', OriginSpec(name="org/m", digest=DIGEST)),
    ],
)
def test_a_base_is_of_this_project_an_object_or_elsewhere(text: str, meant: OriginSpec) -> None:
    assert spec(text).models["tuned"].base == meant


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("first", "no model that is known here"),
        ("prompt/first", "no model that is known here"),
        ("model/First!", "no model that is known here"),
        ("{name: org/m}", "could be any revision"),
        ("{revision: r1}", "has no name"),
        ("{name: org/m, digest: abc}", "64 lower-case hexadecimal digits"),
        ("model/tuned", "would come from itself"),
        ("{name: org/m, revison: r1}", "is not a key"),
    ],
)
def test_a_base_that_says_nothing_is_refused_in_its_place(text: str, said: str) -> None:
    with pytest.raises(SpecMalformed, match=said) as problem:
        spec(text)
    assert (problem.value.where or "").startswith("shipway.yaml:5:") or "itself" in said


def test_adapters_are_a_list_and_a_card_lies_in_the_project() -> None:
    found = spec("model/first", ", adapters: [data/lora, {name: x, revision: r}], card: docs/card.md").models["tuned"]
    assert [one.name for one in found.adapters] == ["data/lora", "x"]
    assert found.card == "docs/card.md"
    with pytest.raises(SpecMalformed, match="outside the project"):
        spec("model/first", ", card: ../card.md")

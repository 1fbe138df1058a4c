"""Every mistake is named at its line and column, with the way to mend it."""

import random
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipway.kernel.errors import ShipwayError
from shipway.spec import SpecMalformed, load_spec, parse_contract, parse_spec

FLIGHTS = Path(__file__).with_name("flights.yaml").read_text()
MODEL = "models: {m: {target: late}}\n"


@pytest.fixture(params=["fast", "slow"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both of PyYAML's parsers: libyaml's and its own."""
    if request.param == "slow":
        monkeypatch.setattr("shipway.spec._yaml._LOADER", yaml.SafeLoader)


def mistake(text: str) -> SpecMalformed:
    with pytest.raises(SpecMalformed) as caught:
        parse_spec(text, path="shipway.yaml")
    assert len(caught.value.render().splitlines()) <= 6
    return caught.value


NOT_YAML = {
    "an empty file": ("", "1:1", "is empty"),
    "only a comment": ("# nothing\n", "1:1", "is empty"),
    "only a document's start": ("---\n", "2:1", "is empty"),
    "a list": ("\n- project: p\n", "2:1", "holds a list"),
    "a word": ("flights", "1:1", "holds 'flights'"),
    "a tab": ("project: p\ndata:\n\ta: b\n", "3:1", "a tab indents"),
    "a tab after spaces": ("project: p\ndata:\n a: b\n \tc: d\n", "4:2", "a tab indents"),
    "a key twice": ("project: p\ndata: {}\nproject: q\n", "3:1", "'project' is written twice"),
    "a key twice inside": ("project: p\ndata:\n  a: b\n  a: c\n", "4:3", "'a' is written twice"),
    "an alias": ("project: &p p\npipeline: *p\n", "2:11", "the alias *p"),
    "a merge": ("project: p\ndata: &d {a: b}\nmodels: {<<: *d}\n", "3:14", "the alias *d"),
    "a tag": ("project: !!python/object:os.system p", "1:10", "a YAML tag"),
    "a tag on a list": ("project: !x [p]", "1:10", "a YAML tag"),
    "two documents": ("project: p\n---\nproject: q\n", "2:1", "a second YAML document"),
    "a key that is a list": ("[a, b]: c", "1:1", "a key is a word, not a list"),
    "an infinity": ("project: p\nparameters: {x: .inf}", "2:17", "not a finite number"),
    "a number beyond doubles": ("project: p\nparameters: {x: 1e999}", "2:17", "not a finite number"),
    "a number of 5000 digits": ("project: p\nparameters: {x: " + "9" * 5000 + "}", "2:17", "too long"),
    "deep lists": ("project: p\nparameters: " + "[" * 100_000, "2:77", "deeper than 64"),
    "a control character": ("project: p\npipe\x07line: x", "2:5", "U+0007"),
    "a lone surrogate": ("project: \ud800", "1:10", "U+D800"),
    "an open bracket": ("project: [p\n", "2:1", "while parsing a flow sequence"),
    "a colon in a value": ("project: a: b\n", "1:11", "mapping values"),
    "an at sign": ("project: @p\n", "1:10", "cannot start any token"),
}


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize(("text", "place", "what"), NOT_YAML.values(), ids=NOT_YAML)
def test_what_is_no_sound_yaml_is_one_clear_error(text: str, place: str, what: str) -> None:
    error = mistake(text)
    assert (error.where, error.code) == (f"shipway.yaml:{place}", "spec.malformed")
    assert what in error.what


def test_more_than_a_megabyte_is_refused() -> None:
    assert mistake("#" * 1_000_001).what == "larger than 1 MB"


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize("escape", [r"\ud800", r"\UFFFFFFFF", r"\0"])
def test_escapes_that_are_no_text_are_refused(escape: str) -> None:
    assert (mistake(f'project: p\npipeline: "{escape}"').where or "").startswith("shipway.yaml")


P = "project: p\n"
MEANING = {
    "no project": ("data: {}", "1:1", "project: NAME"),
    "an empty project": ("project:\n", "1:1", "project: NAME"),
    "an illegal project": ("project: My Flights", "1:10", "`my-flights`"),
    "an illegal name with no legal form": ("project: '2013'", "1:10", "small letter"),
    "an unknown section": (P + "polciy: {}", "2:1", "did you mean `policy`?"),
    "a section like no other": (P + "zzz: {}", "2:1", "one of: project, environment"),
    "an unknown key": (P + "models:\n  m:\n    target: x\n    tmie: y", "5:5", "did you mean `time`?"),
    "a key without a value": (P + "models: {m: {target: }}", "2:14", "give it one"),
    "a section that is a list": (P + "models: [m]", "2:9", "KEY: VALUE"),
    "a pipeline outside": (P + "pipeline: ../flights.py", "2:11", "no `..`"),
    "an absolute lock": (P + "environment: {lock: /etc/lock}", "2:21", "relative path"),
    "a lock on a drive": (P + "environment: 'C:lock'", "2:14", "relative path"),
    "no Python version": (P + "environment: {python: three}", "2:23", '"3.11"'),
    "a number as a path": (P + "data: {a: 2013}", "2:11", 'in quotes: "2013"'),
    "data without a path": (P + "data: {a: {}}", "2:8", "path: FOLDER_OR_FILE"),
    "a contract outside": (P + "data: {a: {path: a, contract: ../c.yaml}}", "2:31", "no `..`"),
    "a parameter with a dash": (P + "parameters: {a-b: 1}", "2:14", "letters"),
    "a model without a target": (P + "models:\n  m: {time: t}", "3:3", "target:"),
    "a model without a Python name": (P + "models:\n  m-1: {target: t}", "3:3", "step:"),
    "a function without a module": (P + "models: {m: {target: t, before: fill}}", "2:33", "MODULE.FUNCTION"),
    "a class without a module": (P + "models: {m: {target: t, class: Line}}", "2:32", "MODULE"),
    "a permission that is none": (P + "models: {m: {target: t, allow_pickle: 1}}", "2:39", "as in true"),
    "a function of no name": (P + "models: {m: {target: t, after: a.b-c}}", "2:32", "features.fill"),
    "a tolerance of no metric": (P + "models: {m: {target: t, rebuild: {auk: 0.1}}}", "2:35", "did you mean `auc`?"),
    "a tolerance below zero": (P + "models: {m: {target: t, rebuild: {auc: -0.1}}}", "2:40", "0.005"),
    "a target that is the key": (P + "models: {m: {target: t, key: [k, t]}}", "2:22", "another column"),
    "a text that is the target": (P + "models: {m: {target: t, texts: [a, t]}}", "2:32", "leave it out"),
    "a direction that is none": (P + "outcomes: {revenue: {better: more}}", "2:30", "better: higher"),
    "an entity without a time": (P + "outcomes: {late: {by: who}}", "2:23", "within: 7d"),
    "a time without an entity": (P + "outcomes: {late: {within: 7d}}", "2:27", "by: COLUMN"),
    "an entity in no time": (P + "outcomes: {late: {by: who, within: 0d}}", "2:36", "7d"),
    "a match that is none": (P + "outcomes: {late: {by: who, within: 7d, match: first}}", "2:47", "match: last"),
    "a duration without a unit": (P + "outcomes: {late: {matures: 1}}", "2:28", "28d"),
    "an endless duration": (P + "outcomes: {late: {matures: " + "9" * 400 + "d}}", "2:28", "28d"),
    "an application without environment": (P + "deploy: {delay: {}}", "2:10", "delay@prod"),
    "an illegal application": (P + "deploy: {De@prod: {}}", "2:10", "`de`"),
    "an unknown target": (P + "deploy: {a@b: {target: locl}}", "2:24", "did you mean `local`?"),
    "grpc that is a port": (P + "deploy: {a@b: {grpc: 8081}}", "2:22", "grpc: true"),
    "no workers": (P + "deploy: {a@b: {workers: 0}}", "2:25", None),
    "a share without a percent sign": (P + "deploy: {a@b: {log: {sample: 0.1}}}", "2:30", None),
    "no share at all": (P + "deploy: {a@b: {log: {sample: 0%}}}", "2:30", None),
    "a batch of no time": (P + "deploy: {a@b: {limits: {batch: 0s}}}", "2:32", None),
    "memory without a unit": (P + "deploy: {a@b: {limits: {memory: 2}}}", "2:33", None),
    "a price of nothing": (P + "deploy: {a@b: {cpu_price: 0.04}}", "2:27", None),
    "workers that are true": (P + "deploy: {a@b: {workers: true}}", "2:25", None),
    "an unknown monitor": (P + "deploy: {a@b: {monitors: {drfit: {}}}}", "2:27", "`drift`"),
    "a drift that pages": (P + "deploy: {a@b: {monitors: {drift: {page: 1}}}}", "2:35", "inform"),
    "a limit of nothing": (P + "deploy: {a@b: {monitors: {drift: {inform: 0}}}}", "2:43", "0.05"),
    "a window of nothing": (P + "deploy: {a@b: {monitors: {drift: {window: 0d}}}}", "2:43", "28d"),
    "a monitor that is a number": (P + "deploy: {a@b: {monitors: {drift: 0.2}}}", "2:34", "off"),
    "an environment before that is absent": (P + "deploy: {a@s: , a@b: {after: t}}", "2:30", "one of: s, b"),
    "environments in a circle": (P + "deploy: {a@s: {after: b}, a@b: {after: s}}", "2:23", "one direction"),
    "an environment after itself": (P + "deploy: {a@s: {after: s}}", "2:23", "one direction"),
    "following no ref": (P + "deploy: {a@b: {follow: [docs]}}", "2:25", "index/NAME"),
    "a policy for no ref": (P + "policy: {delay@prod: {}}", "2:10", "deploy/APP@ENVIRONMENT"),
    "a policy for an undeclared deployment": (P + "deploy: {a@b: }\npolicy: {deploy/a@c: {}}", "3:10", "`a@b`"),
    "a policy for an undeclared model": (P + MODEL + "policy: {model/n: {}}", "3:10", "one of: m"),
    "approvals below nothing": (P + "policy: {data/a: {approvals: -1}}", "2:30", None),
    "approvals without a value": (P + "policy: {data/a: {approvals: }}", "2:30", None),
    "approvals misspelt": (P + "policy: {data/a: {aprovals: 1}}", "2:29", "did you mean `approvals`?"),
    "inconclusive misspelt": (P + "policy: {data/a: {inconclusiv: hold}}", "2:32", "did you mean `inconclusive`?"),
    "an unknown word": (P + "policy: {data/a: {inconclusive: wait}}", "2:33", "one of: hold, ask, warn"),
    "no requirement": (P + "policy: {data/a: {auc: more}}", "2:24", "not worse by"),
    "one bad requirement of two": (P + "policy: {data/a: {auc: [pass, more]}}", "2:31", "not worse by"),
    "an empty list of requirements": (P + "policy: {data/a: {auc: []}}", "2:24", "[a, b]"),
    "a requirement with spaces": (P + "policy: {data/a: {a b: pass}}", "2:19", "letters"),
}


@pytest.mark.parametrize(("text", "place", "mend"), MEANING.values(), ids=MEANING)
def test_what_cannot_be_meant_is_named_with_the_way_to_mend_it(text: str, place: str, mend: str | None) -> None:
    error = mistake(text)
    assert error.where == f"shipway.yaml:{place}"
    assert mend is None or mend in (error.mend or "")


CONTRACTS = {
    "rows that cannot be": ("rows: {at_least: 3, at_most: 2}", "1:7"),
    "rows below nothing": ("rows: {at_least: -1}", "1:18"),
    "an unknown type": ("columns: {a: {type: text}}", "1:21"),
    "an unknown share of nulls": ("columns: {a: {nulls: some}}", "1:22"),
    "too large a share of nulls": ("columns: {a: {nulls: at most 101%}}", "1:22"),
    "a range of one": ("columns: {a: {between: [1]}}", "1:24"),
    "a range from high to low": ("columns: {a: {between: [2, 1]}}", "1:24"),
    "dates from high to low": ("columns: {a: {between: [2013-02-01, 2013-01-01]}}", "1:24"),
    "a number and a date": ("columns: {a: {between: [1, 2013-01-01]}}", "1:24"),
    "a range of text": ("columns: {a: {type: string, between: [1, 2]}}", "1:38"),
    "a date that is none": ("columns: {a: {between: [2013-02-30, 2013-03-01]}}", "1:25"),
    "a number among texts": ("columns: {a: {type: string, one_of: [AA, 1]}}", "1:42"),
    "a truth among integers": ("columns: {a: {type: integer, one_of: [1, true]}}", "1:42"),
    "nothing among values": ("columns: {a: {one_of: [1, null]}}", "1:27"),
    "a value twice": ("columns: {a: {one_of: [1, 1.0]}}", "1:27"),
    "no values": ("columns: {a: {one_of: []}}", "1:23"),
    "a number that JSON loses": ("columns: {a: {one_of: [9007199254740993]}}", "1:24"),
    "a column twice in a key": ("unique: [a, a]", "1:13"),
}


@pytest.mark.parametrize(("text", "place"), CONTRACTS.values(), ids=CONTRACTS)
def test_a_mistake_in_a_contract_is_named_by_place(text: str, place: str) -> None:
    with pytest.raises(SpecMalformed) as caught:
        parse_contract(text, path="c.yaml")
    assert caught.value.where == f"c.yaml:{place}"


def test_lines_and_columns_count_characters_not_bytes() -> None:
    assert mistake("project: p\n# Zürich ✈\ndata: {é😀: x}").where == "shipway.yaml:3:8"


def only_our_errors(text: str) -> None:
    for parse in (parse_spec, parse_contract):
        with suppress(ShipwayError):
            parse(text, path="shipway.yaml")


MARKS = [*"\n-?:[]{},#&*!|>'%@`~\t\\\0\"é\ud800\x85\u2028", " ", "\n  ", "\n    ", ": ", "---", "...", "<<", "!!str"]
PIECES = [*FLIGHTS.split(), *MARKS, "[" * 70, "9" * 50, "1e400", ".nan", "0x", r'"\ud800"', r'"\0"']


@given(st.text())
def test_any_text_raises_only_our_errors(text: str) -> None:
    only_our_errors(text)


@given(st.lists(st.sampled_from(PIECES)).map("".join))
@settings(max_examples=300)
def test_any_jumble_of_yaml_raises_only_our_errors(text: str) -> None:
    only_our_errors(text)
    only_our_errors("project: p\n" + text)


@given(st.randoms(use_true_random=False), st.integers(1, 4))
@settings(max_examples=300)
def test_the_example_with_words_swapped_raises_only_our_errors(chance: random.Random, times: int) -> None:
    text = FLIGHTS
    for _ in range(times):
        old = chance.choice(FLIGHTS.split())
        text = text.replace(old, chance.choice(PIECES), 1)
    only_our_errors(text)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(PIECES),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.sampled_from(PIECES), inner, max_size=3),
    max_leaves=8,
)
SECTIONS = (
    *("environment", "data", "pipeline", "parameters", "models", "outcomes", "deploy", "policy"),
    *("providers", "prompts", "indexes", "evals", "gateway"),
)


@given(st.sampled_from(SECTIONS), VALUES)
@settings(max_examples=300)
def test_any_value_of_any_section_raises_only_our_errors(section: str, value: object) -> None:
    try:
        text = yaml.safe_dump({"project": "p", section: value}, allow_unicode=True)
    except (yaml.YAMLError, UnicodeError):  # a lone surrogate
        return
    only_our_errors(text)


@given(st.binary())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_raise_only_our_errors(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "shipway.yaml"
    path.write_bytes(data)
    with pytest.raises(ShipwayError):
        load_spec(path)

"""The flights example, its short forms and its stored objects."""

import copy
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from shipway.kernel.canonical import JsonObject, canonical_json, parse_object
from shipway.kernel.units import Seconds
from shipway.spec import (
    ADDED_MONITORS,
    AtLeast,
    ColumnRule,
    ContractSpec,
    DataSpec,
    DeploySpec,
    EnvironmentSpec,
    ModelSpec,
    MonitorSpec,
    NotWorseBy,
    OutcomeSpec,
    Pass,
    PolicyRule,
    Spec,
    SpecMalformed,
    parse_contract,
    parse_spec,
    policy_from_json,
    policy_to_json,
)

FLIGHTS = Path(__file__).with_name("flights.yaml").read_text()
MONTH = Seconds(28 * 86400.0)
MONITORS = {
    "calibration": MonitorSpec(name="calibration", page=0.05, window=MONTH),
    "base_rate": MonitorSpec(name="base_rate", page=0.05, window=MONTH),
    "drift": MonitorSpec(name="drift", inform=0.2, window=MONTH),
    **ADDED_MONITORS,
}
CONTRACT = ContractSpec(
    rows_at_least=1000,
    rows_at_most=100_000_000,
    unique=(("year", "month", "day", "carrier", "flight", "origin", "sched_dep_time"),),
    columns={
        "carrier": ColumnRule(name="carrier", type="string", nulls_at_most=0.0, one_of=("AA", "UA")),
        "distance": ColumnRule(name="distance", type="integer", between=(0, 6000)),
    },
)
RULE = PolicyRule(
    ref="deploy/delay@prod",
    require=(
        Pass("contract", "pass"),
        AtLeast("auc", 0.55, 0.95, "at least 0.55 at 95%"),
        NotWorseBy("auc", 0.02, 0.95, "not worse by 0.02 at 95%"),
    ),
    approvals=1,
    inconclusive="hold",
)


def parsed(text: str) -> Spec:
    return parse_spec(text, path="shipway.yaml")


def contract(text: str) -> ContractSpec:
    return parse_contract(text, path="contract.yaml")


def stored(record: JsonObject) -> JsonObject:
    """As it comes back from the store."""
    return parse_object(canonical_json(record))


def test_the_flights_example_is_exactly_these_values() -> None:
    assert parsed(FLIGHTS) == Spec(
        project="flights",
        path=Path("shipway.yaml"),
        environment=EnvironmentSpec(lock="requirements.lock", python="3.11"),
        data={
            "flights": DataSpec(name="flights", path="data/flights", contract=CONTRACT),
            "weather": DataSpec(name="weather", path="data/weather"),
        },
        pipeline="flights.py",
        parameters={"seed": 0},
        models={
            "delay": ModelSpec(
                name="delay", step="delay", target="late", reference="reference", key=("flight",), time="scheduled"
            )
        },
        outcomes={"late": OutcomeSpec(name="late", matures=Seconds(86400.0))},
        deploy={
            "delay@prod": DeploySpec(
                name="delay@prod", application="delay", environment="prod", target="local", workers=1, monitors=MONITORS
            )
        },
        policy={"deploy/delay@prod": RULE},
    )


def test_the_slow_yaml_parser_reads_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    fast = parsed(FLIGHTS)
    monkeypatch.setattr("shipway.spec._yaml._LOADER", yaml.SafeLoader)
    assert parsed(FLIGHTS) == fast


def test_a_project_name_is_enough() -> None:
    assert parsed("project: flights") == Spec(project="flights", path=Path("shipway.yaml"))


def test_a_section_whose_lines_are_commented_out_is_absent() -> None:
    assert parsed("project: flights\ndata:\n#  flights: data\n") == parsed("project: flights")


def test_what_a_model_and_a_deployment_leave_out_has_a_default() -> None:
    spec = parsed("project: p\nmodels: {delay: {target: late}}\ndeploy: {delay@prod: }\noutcomes: {late: }")
    assert spec.models["delay"] == ModelSpec(name="delay", step="delay", target="late", reference="reference")
    assert spec.deploy["delay@prod"].monitors == MONITORS
    assert spec.outcomes["late"].matures == Seconds(0.0)
    said = [parsed(f"project: p\nmodels: {{m: {{target: t, texts: {given}}}}}").models["m"].texts for given in ("a", "[a, b]")]
    assert said == [("a",), ("a", "b")]
    churned = parsed("project: p\noutcomes: {churned: {by: customer, within: 7d}}").outcomes["churned"]
    week = Seconds(7 * 86400.0)
    assert (churned.by, churned.within, churned.match, churned.matures) == ("customer", week, "last", week)


def test_a_spec_survives_pickle_and_copy() -> None:
    spec = parsed(FLIGHTS)
    assert pickle.loads(pickle.dumps(spec)) == copy.deepcopy(spec) == spec


def test_a_short_environment_is_its_lock() -> None:
    assert parsed("project: p\nenvironment: requirements.lock").environment == EnvironmentSpec()


def test_a_python_version_without_quotes_is_read_as_written() -> None:
    environment = parsed("project: p\nenvironment: {python: 3.10}").environment
    assert environment == EnvironmentSpec(python="3.10")


@pytest.mark.parametrize("words", ["NO", "ON", "Y", "off", "yes", "2013-01-01", "1_000", "12:30:45", "0b1"])
def test_words_that_older_yaml_changes_stay_text(words: str) -> None:
    rule = contract(f"columns: {{c: {{one_of: [{words}, AA]}}}}").columns["c"]
    assert rule.one_of == (words, "AA")


def test_scalars_follow_the_core_schema_of_yaml_1_2() -> None:
    values = "[1, -2, 0o17, 0x1F, 1.5, 1e3, .5, true, False, null, ~, 'true', NO]"
    expected = [1, -2, 15, 31, 1.5, 1000.0, 0.5, True, False, None, None, "true", "NO"]
    assert parsed(f"project: p\nparameters: {{all: {values}}}").parameters == {"all": expected}


def test_data_may_lie_outside_the_project() -> None:
    spec = parsed("project: p\ndata: {a: /mnt/a, b: ../b.parquet}")
    assert [data.path for data in spec.data.values()] == ["/mnt/a", "../b.parquet"]


def test_a_monitor_can_be_changed_or_left_out() -> None:
    spec = parsed("project: p\ndeploy: {a@b: {monitors: {drift: off, calibration: {window: 7d}}}}")
    week = Seconds(7 * 86400.0)
    changed = MonitorSpec(name="calibration", page=0.05, window=week)
    assert spec.deploy["a@b"].monitors == {"calibration": changed, "base_rate": MONITORS["base_rate"], **ADDED_MONITORS}


def test_a_monitor_opens_a_ticket_where_it_says_so_and_one_without_a_default_wants_a_threshold() -> None:
    spec = parsed("project: p\ndeploy: {a@b: {monitors: {latency: {page: 4, ticket: 2}, missed_run: {page: 0, window: 1d}}}}")
    monitors = spec.deploy["a@b"].monitors
    assert monitors["latency"] == MonitorSpec(name="latency", page=4, ticket=2, window=Seconds(3600.0))
    assert monitors["missed_run"] == MonitorSpec(name="missed_run", page=0, window=Seconds(86400.0))
    assert "cost" not in monitors
    with pytest.raises(SpecMalformed, match="monitor cost has no threshold"):
        parsed("project: p\ndeploy: {a@b: {monitors: {cost: {window: 1d}}}}")
    with pytest.raises(SpecMalformed, match="drift of predictions never pages"):
        parsed("project: p\ndeploy: {a@b: {monitors: {prediction_drift: {page: 0.3}}}}")


def test_follow_after_and_uses_are_kept() -> None:
    entry = "{after: staging, follow: [index/docs@approved], uses: [delay]}"
    deploy = parsed(f"project: p\nindexes: {{docs: docs}}\ndeploy: {{a@staging: , a@prod: {entry}}}").deploy["a@prod"]
    assert (deploy.after, deploy.follow, deploy.uses) == ("staging", ("index/docs@approved",), ("delay",))


def test_a_deployment_follows_prompts_and_indexes_and_says_so() -> None:
    """A model comes with its code, data and profile: exchanging it alone would lock what never was together."""
    with pytest.raises(SpecMalformed, match="follows prompts and indexes") as problem:
        parsed("project: p\ndeploy: {a@prod: {follow: [model/delay]}}")
    assert problem.value.mend == "as in [index/docs]"


def test_a_contract_names_its_keys_in_three_ways() -> None:
    assert contract("unique: id").unique == (("id",),)
    assert contract("unique: [a, b]").unique == (("a", "b"),)
    assert contract("unique: [[a, b], [c]]").unique == (("a", "b"), ("c",))


def test_nulls_are_a_share() -> None:
    rules = contract("columns: {a: {nulls: any}, b: {nulls: at most 5%}, c: , d: {nulls: none}}").columns
    assert [rule.nulls_at_most for rule in rules.values()] == [1.0, 0.05, 1.0, 0.0]


def test_a_contract_has_one_stored_form_however_it_is_ordered() -> None:
    one = contract("columns: {a: {one_of: [2.0, x, 1]}, b: }\nunique: [[d, c], [a]]")
    other = contract("unique: [[a], [c, d]]\ncolumns: {b: {nulls: any}, a: {one_of: [x, 1, 2]}}")
    assert canonical_json(one.to_json()) == canonical_json(other.to_json())


def test_the_stored_contract_is_this_record() -> None:
    assert contract("columns: {a: {nulls: at most 0.1%, between: [2013-01-01, 2013-12-31]}}").to_json() == {
        "kind": "contract",
        "version": 1,
        "rows": {},
        "unique": [],
        "columns": {"a": {"nulls": "at most 0.1%", "between": ["2013-01-01", "2013-12-31"]}},
    }


def test_a_stored_contract_reads_back() -> None:
    assert canonical_json(ContractSpec.from_json(stored(CONTRACT.to_json())).to_json()) == canonical_json(CONTRACT.to_json())


def test_the_stored_policy_is_this_record_with_levels_spelled_out() -> None:
    spec = parsed("project: p\npolicy: {policy/main: {approvals: 2}, data/a: {auc: at least 0.5, contract: pass}}")
    require = [{"form": "at least", "name": "auc", "value": 0.5, "level": 0.95}, {"form": "pass", "name": "contract"}]
    assert policy_to_json(spec.policy) == {
        "kind": "policy",
        "version": 1,
        "rules": [
            {"ref": "data/a", "require": require, "approvals": 0, "inconclusive": "hold"},
            {"ref": "policy/main", "require": [], "approvals": 2, "inconclusive": "hold"},
        ],
    }


def test_a_stored_policy_reads_back() -> None:
    record = stored(policy_to_json({RULE.ref: RULE}))
    assert policy_to_json(policy_from_json(record)) == record


@pytest.mark.parametrize("record", [{}, {"kind": "policy", "version": 2, "rules": []}, {"kind": "contract"}])
def test_records_of_another_kind_or_version_are_refused(record: JsonObject) -> None:
    with pytest.raises(SpecMalformed, match="version 1"):
        policy_from_json(record)
    with pytest.raises(SpecMalformed, match="version 1"):
        ContractSpec.from_json(record)


@pytest.mark.parametrize("rules", [[1], [{}], [{"ref": 1, "approvals": 0, "inconclusive": "hold", "require": 3}]])
def test_a_broken_policy_record_is_refused(rules: list[object]) -> None:
    with pytest.raises(SpecMalformed, match="no policy"):
        policy_from_json({"kind": "policy", "version": 1, "rules": rules})  # type: ignore[dict-item]


def test_importing_the_room_loads_yaml_and_msgspec_and_nothing_more() -> None:
    script = (
        "import sys; before = set(sys.modules); import shipway.spec; "
        "new = {n.partition('.')[0] for n in set(sys.modules) - before}; "
        "print(*sorted(n for n in new if n not in sys.stdlib_module_names))"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    outside = {name for name in found if not name.startswith(("_cython", "cython"))}  # marks of PyYAML's C half
    assert outside <= {"shipway", "yaml", "_yaml", "msgspec", "rfc8785", "typing_extensions"}  # the last is msgspec's

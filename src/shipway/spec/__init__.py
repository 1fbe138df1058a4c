"""shipway.yaml as frozen values, with every mistake named at its line and column.

Pure but for `find_spec` and `load_spec`. Never constructs an object from YAML, never looks at data or at the store.
"""

from shipway.spec._contract import ColumnRule, ContractSpec, parse_contract
from shipway.spec._data import DataSpec, EnvironmentSpec
from shipway.spec._deploy import DeploySpec, MonitorSpec
from shipway.spec._errors import SpecMalformed, SpecMissing
from shipway.spec._files import find_spec, load_spec
from shipway.spec._models import ModelSpec, OutcomeSpec
from shipway.spec._policy import PolicyRule, policy_from_json, policy_to_json
from shipway.spec._requirement import (
    COMPARED,
    LOWER_IS_BETTER,
    METRICS,
    AtLeast,
    AtMost,
    NotWorseBy,
    Pass,
    Requirement,
    parse_requirement,
)
from shipway.spec._spec import Spec, parse_spec

__all__ = [
    "COMPARED",
    "LOWER_IS_BETTER",
    "METRICS",
    "AtLeast",
    "AtMost",
    "ColumnRule",
    "ContractSpec",
    "DataSpec",
    "DeploySpec",
    "EnvironmentSpec",
    "ModelSpec",
    "MonitorSpec",
    "NotWorseBy",
    "OutcomeSpec",
    "Pass",
    "PolicyRule",
    "Requirement",
    "Spec",
    "SpecMalformed",
    "SpecMissing",
    "find_spec",
    "load_spec",
    "parse_contract",
    "parse_requirement",
    "parse_spec",
    "policy_from_json",
    "policy_to_json",
]

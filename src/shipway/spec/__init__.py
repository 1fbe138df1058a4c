"""shipway.yaml as frozen values, with every mistake named at its line and column.

Pure but for `find_spec` and `load_spec`. Never constructs an object from YAML, never looks at data or at the store.
"""

from shipway.spec._calendar import Freeze, Hours, opening
from shipway.spec._contract import ColumnRule, ContractSpec, parse_contract
from shipway.spec._data import DataSpec, EnvironmentSpec, PlaceSpec, QuerySpec
from shipway.spec._deploy import DeploySpec
from shipway.spec._errors import SpecMalformed, SpecMissing
from shipway.spec._evals import EvalSpec
from shipway.spec._files import find_spec, load_spec
from shipway.spec._gateway import BudgetSpec, GatewayKeySpec, GatewaySpec
from shipway.spec._indexes import IndexSpec
from shipway.spec._models import ModelSpec, OutcomeSpec
from shipway.spec._monitors import MONITORS, MonitorSpec, default_monitors
from shipway.spec._names import is_pattern, legal_form, matches
from shipway.spec._node import Node as YamlNode
from shipway.spec._origins import OriginSpec
from shipway.spec._policy import policy_from_json, policy_to_json
from shipway.spec._prompts import PromptSpec
from shipway.spec._providers import ProviderSpec
from shipway.spec._requirement import (
    COMPARED,
    LOWER_IS_BETTER,
    METRICS,
    AtLeast,
    AtMost,
    NotWorseBy,
    Pass,
    Requirement,
    evaluation_of,
    is_foreign,
    lower_is_better,
    parse_requirement,
)
from shipway.spec._rule import PolicyRule, rule_of, unite
from shipway.spec._schedule import Cron, ScheduleSpec, parse_cron
from shipway.spec._spec import Spec, parse_spec
from shipway.spec._steps import Condition, Each, StepSpec
from shipway.spec._targets import AlertsSpec, AwsSpec, KubernetesSpec, TargetsSpec
from shipway.spec._yaml import parse_document

__all__ = [
    "COMPARED",
    "LOWER_IS_BETTER",
    "METRICS",
    "MONITORS",
    "AlertsSpec",
    "AtLeast",
    "AtMost",
    "AwsSpec",
    "BudgetSpec",
    "ColumnRule",
    "Condition",
    "ContractSpec",
    "Cron",
    "DataSpec",
    "DeploySpec",
    "Each",
    "EnvironmentSpec",
    "EvalSpec",
    "Freeze",
    "GatewayKeySpec",
    "GatewaySpec",
    "Hours",
    "IndexSpec",
    "KubernetesSpec",
    "ModelSpec",
    "MonitorSpec",
    "NotWorseBy",
    "OriginSpec",
    "OutcomeSpec",
    "Pass",
    "PlaceSpec",
    "PolicyRule",
    "PromptSpec",
    "ProviderSpec",
    "QuerySpec",
    "Requirement",
    "ScheduleSpec",
    "Spec",
    "SpecMalformed",
    "SpecMissing",
    "StepSpec",
    "TargetsSpec",
    "YamlNode",
    "default_monitors",
    "evaluation_of",
    "find_spec",
    "is_foreign",
    "is_pattern",
    "legal_form",
    "load_spec",
    "lower_is_better",
    "matches",
    "opening",
    "parse_contract",
    "parse_cron",
    "parse_document",
    "parse_requirement",
    "parse_spec",
    "policy_from_json",
    "policy_to_json",
    "rule_of",
    "unite",
]

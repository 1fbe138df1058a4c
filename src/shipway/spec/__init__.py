"""shipway.yaml as frozen values, with every mistake named at its line and column.

Pure but for `find_spec`, `load_spec` and `read_outline`. Never constructs an object from YAML, never looks at data or at the
store. Importing it costs nothing: what needs a library is imported when its name is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.kernel.lazy import lazy_exports

if TYPE_CHECKING:
    from shipway.spec._calendar import Freeze, Hours, opening
    from shipway.spec._contract import ColumnRule, ContractSpec, parse_contract
    from shipway.spec._data import DataSpec, EnvironmentSpec, PlaceSpec, QuerySpec
    from shipway.spec._deploy import DeploySpec
    from shipway.spec._errors import SpecMalformed, SpecMissing
    from shipway.spec._evals import EvalSpec
    from shipway.spec._files import load_spec
    from shipway.spec._gateway import BudgetSpec, GatewayKeySpec, GatewaySpec
    from shipway.spec._indexes import IndexSpec
    from shipway.spec._models import ModelSpec, OutcomeSpec
    from shipway.spec._monitors import ADDED_MONITORS, CLOCK_MONITORS, MONITORS, REQUEST_MONITORS, MonitorSpec, default_monitors
    from shipway.spec._names import is_pattern, legal_form, matches
    from shipway.spec._node import YamlNode
    from shipway.spec._notify import NotifySpec
    from shipway.spec._origins import OriginSpec
    from shipway.spec._outline import DataOutline, Outline, find_spec, outline_of, read_outline
    from shipway.spec._policy import policy_from_json, policy_to_json
    from shipway.spec._predictors import BATCH_SECONDS, PredictorSpec
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
    from shipway.spec._schedule import Cron, ScheduleSpec, parse_cron, times_before
    from shipway.spec._spec import Spec, parse_spec
    from shipway.spec._steps import Condition, Each, StepSpec
    from shipway.spec._targets import AlertsSpec, AwsSpec, KubernetesSpec, TargetsSpec
    from shipway.spec._yaml import parse_document

_HOME = {
    "_node": ["YamlNode"],
    "_calendar": ["Freeze", "Hours", "opening"],
    "_contract": ["ColumnRule", "ContractSpec", "parse_contract"],
    "_data": ["DataSpec", "EnvironmentSpec", "PlaceSpec", "QuerySpec"],
    "_deploy": ["DeploySpec"],
    "_errors": ["SpecMalformed", "SpecMissing"],
    "_evals": ["EvalSpec"],
    "_files": ["load_spec"],
    "_gateway": ["BudgetSpec", "GatewayKeySpec", "GatewaySpec"],
    "_indexes": ["IndexSpec"],
    "_models": ["ModelSpec", "OutcomeSpec"],
    "_notify": ["NotifySpec"],
    "_monitors": ["ADDED_MONITORS", "CLOCK_MONITORS", "MONITORS", "REQUEST_MONITORS", "MonitorSpec", "default_monitors"],
    "_names": ["is_pattern", "legal_form", "matches"],
    "_origins": ["OriginSpec"],
    "_outline": ["DataOutline", "Outline", "find_spec", "outline_of", "read_outline"],
    "_policy": ["policy_from_json", "policy_to_json"],
    "_predictors": ["BATCH_SECONDS", "PredictorSpec"],
    "_prompts": ["PromptSpec"],
    "_providers": ["ProviderSpec"],
    "_requirement": [
        "COMPARED",
        "LOWER_IS_BETTER",
        "METRICS",
        "AtLeast",
        "AtMost",
        "NotWorseBy",
        "Pass",
        "Requirement",
        "evaluation_of",
        "is_foreign",
        "lower_is_better",
        "parse_requirement",
    ],
    "_rule": ["PolicyRule", "rule_of", "unite"],
    "_schedule": ["Cron", "ScheduleSpec", "parse_cron", "times_before"],
    "_spec": ["Spec", "parse_spec"],
    "_steps": ["Condition", "Each", "StepSpec"],
    "_targets": ["AlertsSpec", "AwsSpec", "KubernetesSpec", "TargetsSpec"],
    "_yaml": ["parse_document"],
}

__all__ = [
    "ADDED_MONITORS",
    "BATCH_SECONDS",
    "CLOCK_MONITORS",
    "COMPARED",
    "LOWER_IS_BETTER",
    "METRICS",
    "MONITORS",
    "REQUEST_MONITORS",
    "AlertsSpec",
    "AtLeast",
    "AtMost",
    "AwsSpec",
    "BudgetSpec",
    "ColumnRule",
    "Condition",
    "ContractSpec",
    "Cron",
    "DataOutline",
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
    "NotifySpec",
    "OriginSpec",
    "OutcomeSpec",
    "Outline",
    "Pass",
    "PlaceSpec",
    "PolicyRule",
    "PredictorSpec",
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
    "outline_of",
    "parse_contract",
    "parse_cron",
    "parse_document",
    "parse_requirement",
    "parse_spec",
    "policy_from_json",
    "policy_to_json",
    "read_outline",
    "rule_of",
    "times_before",
    "unite",
]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(__name__, _HOME)

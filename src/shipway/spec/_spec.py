"""Spec: the whole of shipway.yaml as one frozen value. Pure: text in, value or an error at line and column out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from shipway.kernel.canonical import Json
from shipway.spec._data import DataSpec, EnvironmentSpec, LoadContract, read_data, read_environment
from shipway.spec._deploy import DeploySpec, check_order, read_deploy
from shipway.spec._evals import EvalSpec, check_metrics, read_eval
from shipway.spec._fields import fields, named
from shipway.spec._gateway import GatewaySpec, read_gateway
from shipway.spec._indexes import IndexSpec, read_index
from shipway.spec._models import ModelSpec, OutcomeSpec, read_model, read_outcome, read_parameter
from shipway.spec._names import inside_path, name_of
from shipway.spec._node import Node
from shipway.spec._notify import NotifySpec, read_notify
from shipway.spec._policy import check_passes, check_policy, check_soak, read_policy
from shipway.spec._prompts import PromptSpec, read_prompt
from shipway.spec._providers import ProviderSpec, read_provider
from shipway.spec._rule import PolicyRule
from shipway.spec._schedule import ScheduleSpec, read_schedule
from shipway.spec._steps import StepSpec, check_steps, read_step
from shipway.spec._targets import TargetsSpec, read_targets
from shipway.spec._yaml import parse_yaml

SECTIONS = (
    *("project", "environment", "data", "pipeline", "parameters", "steps", "schedule", "models", "outcomes"),
    *("providers", "prompts", "indexes", "evals", "deploy", "policy", "gateway", "targets", "notify"),
)


class Spec(msgspec.Struct, frozen=True, kw_only=True):
    """What a project says of itself. Sections map a name to its struct, in the order written; paths stay as given."""

    project: str
    path: Path
    environment: EnvironmentSpec | None = None
    data: Mapping[str, DataSpec] = {}
    pipeline: str | None = None
    parameters: Mapping[str, Json] = {}
    steps: Mapping[str, StepSpec] = {}
    schedule: ScheduleSpec | None = None
    models: Mapping[str, ModelSpec] = {}
    outcomes: Mapping[str, OutcomeSpec] = {}
    providers: Mapping[str, ProviderSpec] = {}
    prompts: Mapping[str, PromptSpec] = {}
    indexes: Mapping[str, IndexSpec] = {}
    evals: Mapping[str, EvalSpec] = {}
    deploy: Mapping[str, DeploySpec] = {}
    policy: Mapping[str, PolicyRule] = {}
    gateway: GatewaySpec = GatewaySpec()
    targets: TargetsSpec = TargetsSpec()
    notify: NotifySpec = NotifySpec()

    @property
    def root(self) -> Path:
        """The folder that relative paths start from."""
        return self.path.parent


def parse_spec(text: str, *, path: str) -> Spec:
    """The spec of this text; raises SpecMalformed at `path:line:column`. Reads no files: see DataSpec.contract_path."""
    return read_spec(text, path=path, load_contract=None)


def read_spec(text: str, *, path: str, load_contract: LoadContract | None) -> Spec:
    """As parse_spec; contracts in files of their own come from `load_contract`."""
    root = parse_yaml(text, path=path)
    entries = _sections(root)
    spec = _llm_sections(_model_sections(root, entries, path, load_contract), entries)
    known = {"data": spec.data, "model": spec.models, "prompt": spec.prompts, "index": spec.indexes}
    spec = msgspec.structs.replace(
        spec,
        deploy=named(
            entries.get("deploy"),
            "deploy",
            lambda key, node: read_deploy(key, node, known=known, scheduled=spec.schedule is not None),
        ),
        policy=read_policy(entries.get("policy")),
        targets=read_targets(entries["targets"]) if "targets" in entries else TargetsSpec(),
        notify=read_notify(entries["notify"]) if "notify" in entries else NotifySpec(),
    )
    check_steps(spec.steps, entries.get("steps", root), pipeline=spec.pipeline is not None)
    check_order(spec.deploy, entries.get("deploy", root))
    check_policy(entries.get("policy"), {**known, "deploy": spec.deploy})
    check_passes(entries.get("policy", root), spec.policy, spec.evals)
    check_soak(entries.get("policy"), spec.policy, spec.deploy)
    check_metrics(entries.get("policy", root), spec.policy, spec.evals)
    return spec


def _model_sections(root: Node, entries: Mapping[str, Node], path: str, load_contract: LoadContract | None) -> Spec:
    return Spec(
        project=_project(root, entries),
        path=Path(path),
        environment=read_environment(entries["environment"]) if "environment" in entries else None,
        data=named(entries.get("data"), "data", lambda key, node: read_data(key, node, load_contract)),
        pipeline=inside_path(entries["pipeline"], "pipeline") if "pipeline" in entries else None,
        parameters=named(entries.get("parameters"), "parameters", read_parameter),
        steps=named(entries.get("steps"), "steps", read_step),
        schedule=read_schedule(entries["schedule"]) if "schedule" in entries else None,
        models=named(entries.get("models"), "models", read_model),
        outcomes=named(entries.get("outcomes"), "outcomes", read_outcome),
    )


def _llm_sections(spec: Spec, entries: Mapping[str, Node]) -> Spec:
    """Providers first, indexes next: the others name them."""
    providers = named(entries.get("providers"), "providers", read_provider)
    indexes = named(entries.get("indexes"), "indexes", lambda key, node: read_index(key, node, providers=providers))

    def prompt(key: Node, node: Node) -> PromptSpec:
        return read_prompt(key, node, providers=providers, indexes=indexes)

    return msgspec.structs.replace(
        spec,
        providers=providers,
        prompts=named(entries.get("prompts"), "prompts", prompt),
        indexes=indexes,
        evals=named(entries.get("evals"), "evals", lambda key, node: read_eval(key, node, providers=providers)),
        gateway=read_gateway(entries["gateway"], providers=providers) if "gateway" in entries else GatewaySpec(),
    )


def _sections(root: Node) -> Mapping[str, Node]:
    """The sections that say something: one with all its lines commented out counts as absent."""
    entries = root.value if isinstance(root.value, dict) else {}
    written = {name: node for name, node in entries.items() if node.value is not None or name not in SECTIONS}
    return fields(msgspec.structs.replace(root, value=written), SECTIONS, "shipway.yaml")


def _project(root: Node, entries: Mapping[str, Node]) -> str:
    if "project" not in entries:
        place = root.keys.get("project", root)
        raise place.fail("the spec names no project", mend="its first line is `project: NAME`")
    return name_of(entries["project"], "a project")

"""The machines elsewhere that run a plan: which one `--on` means, by the settings of this invocation and the spec."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.cli._output import Misused
from shipway.cli._settings import Project

if TYPE_CHECKING:
    from shipway.pipeline import Engine


def open_engine(project: Project, engine: str) -> Engine:
    """engine: argo or stepfunctions. Raises Misused, EngineRefused, EngineClientMissing, EngineUnreachable, CannotExpress."""
    return _argo(project) if engine == "argo" else _stepfunctions(project)


def _argo(project: Project) -> Engine:
    from shipway.deploy import argo_template_name
    from shipway.pipeline import ArgoClient, ArgoEngine

    settings = project.settings
    if not settings.argo_server:
        raise Misused("nothing says where the Argo Server is", mend="ARGO_SERVER=https://HOST:PORT, and ARGO_TOKEN")
    client = ArgoClient(settings.argo_server, settings.argo_token)
    namespace = project.spec.targets.kubernetes.namespace
    return ArgoEngine(client, namespace=namespace, template=argo_template_name(project.spec.project))


def _stepfunctions(project: Project) -> Engine:
    from shipway.deploy import state_machine_name
    from shipway.pipeline import StatesClient, StepFunctionsEngine

    settings, aws = project.settings, project.spec.targets.aws
    machine = settings.state_machine or state_machine_name(project.spec.project)
    return StepFunctionsEngine(StatesClient(machine, region=settings.aws_region or aws.region, account=aws.account))

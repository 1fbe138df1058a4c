"""Argo Workflows: the pipeline as a WorkflowTemplate with a pod a step, and a CronWorkflow that makes a plan first.

Nothing but the digest of the run plan travels from pod to pod, and the small outputs that conditions and lists are decided
by. No code, parameter or secret is in the object, so that it grows with the number of steps alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from shipway.deploy._argo_draw import draw
from shipway.deploy._argo_pod import USER, plan_template
from shipway.deploy._argo_tasks import TARGET, Drawn
from shipway.deploy._errors import CannotExpress, NothingToRender
from shipway.deploy._kubernetes_jobs import cron_expression
from shipway.deploy._names import label_names
from shipway.deploy._subject import PLAN as FIRST
from shipway.deploy._subject import Subject, Workload, check_inside
from shipway.deploy._text import Files, yaml_text
from shipway.deploy._units import Unit, units_of
from shipway.kernel.canonical import Json, JsonObject
from shipway.spec import ScheduleSpec

PIPELINE, SCHEDULED = "pipeline", "scheduled"
MOST_BYTES = 240_000  # of an object as JSON: kubectl keeps it in an annotation, and those end at 256 KiB
MOST_PODS = 40  # at once, of one run
_DAY = 86_400


def compile_argo(subject: Subject) -> Files:
    """The WorkflowTemplate, and with a schedule the CronWorkflow.

    Raises NothingToRender, NamesCollide, CannotExpress (a schedule, a name, a condition, a pipeline that is too large).
    """
    workload = subject.workload
    if workload is None:
        raise NothingToRender(f"{subject.project} has no pipeline", mend="pipeline: FILE.py")
    name = argo_template_name(subject.project)
    template = workflow_template(subject, name, workload)
    files = {f"{name}.yaml": yaml_text([template], target=TARGET)}
    if workload.schedule:
        check_inside(subject, target=TARGET)
        cron = cron_workflow(subject, name, workload.schedule)
        files[f"{name}-scheduled.yaml"] = yaml_text([cron], target=TARGET)
    return files


def argo_template_name(project: str) -> str:
    """The name of a project's WorkflowTemplate. Raises CannotExpress."""
    return label_names([project], target=TARGET, what="project", longest=40)[project]


def workflow_template(subject: Subject, name: str, workload: Workload) -> JsonObject:
    """Drawn as closely as fits. Raises CannotExpress, NamesCollide."""
    size = 0
    for drawn in _drawings(subject, units_of(workload.tasks, target=TARGET)):
        template = _workflow_template(subject, name, workload, drawn)
        size = len(json.dumps(template, ensure_ascii=False, separators=(",", ":")).encode())
        if size <= MOST_BYTES:
            return template
    what = f"the pipeline of {subject.project} is larger than {TARGET} takes in one object: {size:,} bytes"
    raise CannotExpress(what, mend="put steps into groups, which are one task each")


def _drawings(subject: Subject, units: Sequence[Unit]) -> Iterator[Drawn]:
    """A task for each step first, then with less and less of them."""
    yield draw(subject, units)
    for narrow in (0, 1, 2, 4, 8):
        yield draw(subject, units, folded=True, narrow=narrow)


def _workflow_template(subject: Subject, name: str, workload: Workload, drawn: Drawn) -> JsonObject:
    plan: JsonObject = {"name": "plan", "description": "The digest of a run plan: shipway step plan"}
    if workload.plan:
        plan = {**plan, "value": workload.plan}
    dag: JsonObject = {
        "name": PIPELINE,
        "inputs": {"parameters": [{"name": "plan"}]},
        "parallelism": MOST_PODS,
        "dag": {"tasks": list[Json](drawn.tasks)},
    }
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "WorkflowTemplate",
        "metadata": _metadata(subject, name),
        "spec": {
            "entrypoint": PIPELINE,
            "arguments": {"parameters": [plan]},
            **_frame(subject, name),
            "templates": [dag, *drawn.templates.values()],
        },
    }


def cron_workflow(subject: Subject, name: str, schedule: ScheduleSpec) -> JsonObject:
    """Makes a plan of the data as they are then, and runs the template's pipeline with it. Raises CannotExpress."""
    run: JsonObject = {
        "name": PIPELINE,
        "templateRef": {"name": name, "template": PIPELINE},
        "arguments": {"parameters": [{"name": "plan", "value": f"{{{{tasks.{FIRST}.outputs.parameters.plan}}}}"}]},
        "depends": FIRST,
    }
    first: JsonObject = {"name": FIRST, "template": "plan"}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "CronWorkflow",
        "metadata": _metadata(subject, f"{name}-scheduled"),
        "spec": {
            "schedules": [cron_expression(schedule, target=TARGET)],
            "timezone": schedule.timezone,
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": 3600,
            "successfulJobsHistoryLimit": 3,
            "failedJobsHistoryLimit": 3,
            "workflowSpec": {
                "entrypoint": SCHEDULED,
                **_frame(subject, name),
                "templates": [{"name": SCHEDULED, "dag": {"tasks": [first, run]}}, plan_template(subject)],
            },
        },
    }


def _metadata(subject: Subject, name: str) -> JsonObject:
    return {"name": name, "namespace": subject.targets.kubernetes.namespace, "labels": _labels(name)}


def _labels(name: str) -> JsonObject:
    return {"app.kubernetes.io/name": name, "app.kubernetes.io/managed-by": "shipway"}


def _frame(subject: Subject, name: str) -> JsonObject:
    """How long a run and its pods are kept, and as whom they run."""
    return {
        "serviceAccountName": subject.targets.kubernetes.service_account,
        # our ServiceAccount says no, and without its token Argo's container beside ours cannot tell how a step ended
        "automountServiceAccountToken": True,
        "podMetadata": {"labels": _labels(name)},
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "ttlStrategy": {"secondsAfterSuccess": _DAY, "secondsAfterFailure": 7 * _DAY},
        "podGC": {"strategy": "OnPodSuccess", "deleteDelayDuration": "10m"},
    }

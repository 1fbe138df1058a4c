"""AWS by Terraform: modules that a person wrote and a team owns, and one file of variables that is made from the spec.

The modules are copied as they are, and written once: what a team changes in them stays. No secret is in a file or in state:
there are names of secrets, and ECS reads the values when it starts a container.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable

from shipway.deploy._aws_schedule import aws_expression
from shipway.deploy._batch import gpus_of, job_names
from shipway.deploy._errors import CannotExpress, NothingToRender
from shipway.deploy._fargate import MIB, fargate_size
from shipway.deploy._names import label_names
from shipway.deploy._subject import Service, Subject, Workload
from shipway.deploy._text import Files, json_text
from shipway.deploy._units import START_SECONDS, Unit, units_of
from shipway.kernel.canonical import Json, JsonObject

TARGET = "terraform"
VARIABLES = "shipway.auto.tfvars.json"
PORT = 8080
LONGEST_SERVICE = 26  # a target group's name has 32 characters at most, `-green` among them
LONGEST_PROJECT = 32  # a load balancer's name
TRUST, SIGNING_KEY = "SHIPWAY_TRUST", "SHIPWAY_SIGNING_KEY"  # whose statements count, and what signs what steps make
GPU_CORES, GPU_MEMORY = 4, 12 * 2**30  # for each GPU where a step says nothing: what the smallest machine with one leaves


def compile_terraform(subject: Subject) -> Files:
    """The modules, the root that uses them, and `shipway.auto.tfvars.json`.

    Raises NothingToRender, NamesCollide, CannotExpress (no `targets.objects` on S3, a size that Fargate has not, a
    schedule, a budget).
    """
    if subject.workload is None and not subject.services:
        raise NothingToRender(f"{subject.project} has no pipeline and has released nothing", mend="shipway release")
    return {**dict(_texts(files("shipway.deploy") / TARGET)), VARIABLES: json_text(_variables(subject))}


def _texts(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, str]]:
    for item in folder.iterdir():
        if item.is_dir():
            yield from _texts(item, f"{prefix}{item.name}/")
        elif item.name.endswith(".tf"):
            yield prefix + item.name, item.read_text()


def _variables(subject: Subject) -> JsonObject:
    bucket, prefix = _place(subject)
    units = units_of(subject.workload.tasks, target=TARGET) if subject.workload else ()
    name = label_names([subject.project], target=TARGET, what="project", longest=LONGEST_PROJECT)[subject.project]
    return {
        "project": subject.project,
        "name": name,
        "region": subject.targets.aws.region,
        "account": subject.targets.aws.account,
        "image": subject.image,
        "bucket": bucket,
        "prefix": prefix,
        "secrets": _secrets(subject),
        "environ": dict(sorted(subject.environ.items())),
        "services": _services(subject),
        "pipeline": _pipeline(name, subject.workload, units) if subject.workload else None,
        "gpu_steps": _gpu_steps(units),
        "documents": _documents(subject.sources, f"s3://{bucket}/{prefix}"),
        "github_environments": ["plan", "release", *dict.fromkeys(service.environment for service in subject.services)],
    }


def _secrets(subject: Subject) -> list[Json]:
    """Those of the spec, the keys that count, and, where steps make something, the key that signs it."""
    named = {*subject.secrets, *(name for service in subject.services for name in service.secrets), TRUST}
    return list[Json](sorted({*named, SIGNING_KEY} if subject.workload else named))


def _place(subject: Subject) -> tuple[str, str]:
    objects = subject.targets.objects
    if not objects or not objects.startswith("s3://"):
        raise CannotExpress(f"{TARGET} has no place where tasks find the store", mend="targets: {objects: s3://BUCKET/PREFIX}")
    bucket, _, prefix = objects.removeprefix("s3://").partition("/")
    return bucket, f"{prefix}/" if prefix else ""


def _documents(sources: tuple[str, ...], objects: str) -> dict[str, Json]:
    """Buckets to prefixes that end with a slash, none below another: S3 refuses two notifications of one object.

    Raises CannotExpress where the store's own objects are among the documents: each sync would cause the next.
    """
    found: dict[str, list[str]] = {}
    for source in sorted(f"{source.rstrip('/')}/" for source in sources):  # what is below another comes after it
        if objects.startswith(source):
            mend = "keep documents below a prefix, or in a bucket, where targets.objects is not"
            raise CannotExpress(f"{TARGET}: the store's own objects are among the documents at {source}", mend=mend)
        bucket, _, prefix = source.removeprefix("s3://").partition("/")
        if not any(prefix.startswith(other) for other in found.setdefault(bucket, [])):
            found[bucket].append(prefix)
    return {bucket: list[Json](prefixes) for bucket, prefixes in found.items()}


def _services(subject: Subject) -> dict[str, Json]:
    given = [service.name for service in subject.services]
    names = label_names(given, target=TARGET, what="deployment", longest=LONGEST_SERVICE)
    return {names[service.name]: _service(subject, service) for service in subject.services}


def _service(subject: Subject, service: Service) -> JsonObject:
    if service.budgeted and subject.targets.aws.budgets is None:
        what = f"{TARGET} cannot keep the budgets of {service.name}: their ledger begins anew with each task of ECS"
        raise CannotExpress(what, mend="run the gateway in Kubernetes, or say targets: {aws: {budgets: per_task}}")
    models = 1 + len(service.beside.releases if service.beside else ())
    size = fargate_size(1, models * 2 * 2**30, what=service.name)
    words = [*service.words, "--host", "0.0.0.0", "--port", str(PORT)]  # noqa: S104
    return {
        "deployment": service.name,
        "kind": service.kind,
        "release": service.release,
        "command": list[Json](words),
        "workers": 1 if service.kind == "gateway" else service.workers,  # its budgets are one file
        "cpu": size.cpu,
        "memory": size.memory,
        "start": math.ceil(subject.targets.start),
        "secrets": list[Json](dict.fromkeys([*subject.secrets[:1], TRUST, *service.secrets])),
    }


def _pipeline(name: str, workload: Workload, units: tuple[Unit, ...]) -> JsonObject:
    """Files of the stepfunctions target, rendered beside this one."""
    for unit in units:
        if not gpus_of(unit):
            fargate_size(unit.cpu, unit.memory, what=f"step {unit.name}")
    schedule = workload.schedule
    return {
        "machine": f"../stepfunctions/{name}.asl.json",
        "scheduled": f"../stepfunctions/{name}-scheduled.asl.json" if schedule else None,
        "schedule": {"expression": aws_expression(schedule, target=TARGET), "timezone": schedule.timezone}
        if schedule
        else None,
    }


def _gpu_steps(units: tuple[Unit, ...]) -> dict[str, Json]:
    names = job_names(units, target=TARGET)
    return {names[unit.name]: _gpu_step(unit) for unit in units if unit.name in names}


def _gpu_step(unit: Unit) -> JsonObject:
    gpus = gpus_of(unit)
    return {
        "steps": [task.name for task in unit.tasks],
        "gpu": gpus,
        "vcpu": math.ceil(unit.cpu or GPU_CORES * gpus),
        "memory": -(-(unit.memory or GPU_MEMORY * gpus) // MIB),
        "retries": unit.retries,
        # AWS takes no less than a minute, and counts what comes before the step, whose own limit strikes first
        "timeout": math.ceil(unit.timeout) + START_SECONDS if unit.timeout else None,
    }

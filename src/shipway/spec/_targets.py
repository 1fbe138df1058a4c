"""The `targets:` section: what files for other machines have to know of them. Nothing here is a secret."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

import msgspec

from shipway.kernel.units import Seconds
from shipway.spec._fields import choice, count, duration, fields, text, texts
from shipway.spec._node import Node
from shipway.spec._steps import read_cpu, read_memory

_IMAGE = re.compile(r"[a-z0-9]+([.-][a-z0-9]+)*(:[0-9]{1,5})?(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)+")
_OBJECTS = re.compile(r"(s3|gs|az)://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._-]+)*")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_URL = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*/?")
_REPOSITORY = re.compile(r"(https://|ssh://git@|git@)[A-Za-z0-9.-]+(:[0-9]{1,5})?[:/][A-Za-z0-9._/-]+")
_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,199}")
_PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*")
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]")
_URL = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?")  # no user, no query: secrets stand there
_FILE = re.compile(r"/[A-Za-z0-9._/-]+")
_ACCOUNT = re.compile(r"[0-9]{12}")


class KubernetesSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Where in a cluster, how much a pod that serves gets (cores, bytes, devices), and how many of them there are.

    callers, monitoring: namespaces whose pods may ask; canary: percent of the traffic that what went live last gets, none when
    None; logger: a URL that KServe sends payloads to; repository, revision, path: where Argo CD finds the rendered files.
    """

    namespace: str = "default"
    service_account: str = "shipway"
    cpu: float = 1.0
    memory: int = 2**30
    gpu: int = 0
    least: int = 2
    most: int = 6
    callers: tuple[str, ...] = ()
    monitoring: str = "monitoring"
    kserve: Literal["standard", "serverless"] = "standard"
    canary: int | None = None
    logger: str | None = None
    repository: str | None = None
    revision: str = "main"
    path: str = "deploy/kubernetes"


class AwsSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Where in AWS: a region, and the account when one is named. budgets: `per_task` when each gateway may count alone."""

    region: str = "eu-west-1"
    account: str | None = None
    budgets: str | None = None


class AlertsSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Webhooks to which Alertmanager posts pages and tickets; token_file: there, what it shows them as a bearer token."""

    page: str | None = None
    ticket: str | None = None
    token_file: str | None = None


class TargetsSpec(msgspec.Struct, frozen=True, kw_only=True):
    """image: a repository without tag or digest; objects: the URL under which the team's objects and logs are kept; start: what
    a container that serves may take to be ready.
    """

    image: str | None = None
    objects: str | None = None
    start: Seconds = Seconds(600.0)
    kubernetes: KubernetesSpec = KubernetesSpec()
    aws: AwsSpec = AwsSpec()
    alerts: AlertsSpec = AlertsSpec()


def read_targets(node: Node) -> TargetsSpec:
    """Raises SpecMalformed."""
    entries = fields(node, ("image", "objects", "start", "kubernetes", "aws", "alerts"), "targets")
    return TargetsSpec(
        image=_match(entries["image"], _IMAGE, "image", "a repository without a tag, as in registry.example.com/flights")
        if "image" in entries
        else None,
        objects=_match(entries["objects"], _OBJECTS, "objects", "as in s3://BUCKET/PREFIX") if "objects" in entries else None,
        start=_read_start(entries["start"]) if "start" in entries else Seconds(600.0),
        kubernetes=_read_kubernetes(entries["kubernetes"]) if "kubernetes" in entries else KubernetesSpec(),
        aws=_read_aws(entries["aws"]) if "aws" in entries else AwsSpec(),
        alerts=_read_alerts(entries["alerts"]) if "alerts" in entries else AlertsSpec(),
    )


def _read_start(node: Node) -> Seconds:
    start = duration(node, "targets.start")
    if not 30 <= start <= 3600:
        raise node.fail(f"targets.start is {node.shown()}", mend="from 30s to 1h, as in 10m")
    return start


def _read_kubernetes(node: Node) -> KubernetesSpec:
    entries = fields(
        node,
        (
            "namespace",
            "service_account",
            "cpu",
            "memory",
            "gpu",
            "least",
            "most",
            "callers",
            "monitoring",
            "kserve",
            "canary",
            "logger",
            "repository",
            "revision",
            "path",
        ),
        "targets.kubernetes",
    )
    given = {name: _KUBERNETES[name](value, f"kubernetes.{name}") for name, value in entries.items()}
    found = msgspec.convert(given, KubernetesSpec)
    if found.least > found.most:
        at = entries.get("least") or entries["most"]
        what = f"targets.kubernetes has at least {found.least} pods and at most {found.most}"
        raise at.fail(what, mend="least is no more than most")
    return found


def _label(node: Node, what: str) -> str:
    return _match(node, _LABEL, what, "small letters, digits and -, at most 63")


def _labels(node: Node, what: str) -> tuple[str, ...]:
    for name in texts(node, f"targets.{what}"):
        if not _LABEL.fullmatch(name):
            raise node.fail(f"targets.{what} holds {name!r}, which is no namespace", mend="small letters, digits and -")
    return texts(node, f"targets.{what}")


def _percent(node: Node, what: str) -> int:
    percent = count(node, f"targets.{what}", least=1)
    if percent > 99:
        raise node.fail(f"targets.{what} is {node.shown()}", mend="1 to 99 percent; remove the line to give it all")
    return percent


def _pods(node: Node, what: str) -> int:
    return count(node, f"targets.{what}", least=1)


def _form(form: re.Pattern[str], mend: str) -> Callable[[Node, str], object]:
    return lambda node, what: _match(node, form, what, mend)


_KUBERNETES: dict[str, Callable[[Node, str], object]] = {
    "namespace": _label,
    "service_account": _label,
    "cpu": lambda node, what: read_cpu(node, f"targets.{what.rpartition('.')[0]}"),
    "memory": lambda node, what: read_memory(node, f"targets.{what.rpartition('.')[0]}"),
    "gpu": lambda node, what: count(node, f"targets.{what}"),
    "least": _pods,
    "most": _pods,
    "callers": _labels,
    "monitoring": _label,
    "kserve": lambda node, what: choice(node, f"targets.{what}", ("standard", "serverless")),
    "canary": _percent,
    "logger": _form(_URL, "a URL without a user, as in http://broker.kafka.svc:8080/flights"),
    "repository": _form(_REPOSITORY, "as in https://github.com/example/flights.git, without a password"),
    "revision": _form(_REVISION, "a branch, a tag or a commit"),
    "path": _form(_PATH, "a folder of the repository, as in deploy/kubernetes"),
}


def _read_aws(node: Node) -> AwsSpec:
    entries = fields(node, ("region", "account", "budgets"), "targets.aws")
    region = _match(entries["region"], _REGION, "aws.region", "as in eu-west-1") if "region" in entries else "eu-west-1"
    account = None
    if "account" in entries:
        account = _match(entries["account"], _ACCOUNT, "aws.account", 'twelve digits in quotes, as in "123456789012"')
    budgets = choice(entries["budgets"], "aws.budgets", ("per_task",)) if "budgets" in entries else None
    return AwsSpec(region=region, account=account, budgets=budgets)


def _read_alerts(node: Node) -> AlertsSpec:
    entries = fields(node, ("page", "ticket", "token_file"), "targets.alerts")
    forms = {"token_file": (_FILE, "an absolute path there, as in /etc/alertmanager/pager-token")}
    url = (_URL, "as in https://pager.example.com/hook; what is secret about it belongs into token_file's file")
    given = {
        name: _match(value, forms.get(name, url)[0], f"alerts.{name}", forms.get(name, url)[1])
        for name, value in entries.items()
    }
    return AlertsSpec(**given)


def _match(node: Node, form: re.Pattern[str], what: str, mend: str) -> str:
    value = text(node, f"targets.{what}")
    if not form.fullmatch(value):
        raise node.fail(f"targets.{what} is not {node.shown()}", mend=mend)
    return value

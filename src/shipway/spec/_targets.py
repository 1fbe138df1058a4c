"""The `targets:` section: what files for other machines have to know of them. Nothing here is a secret."""

from __future__ import annotations

import re

import msgspec

from shipway.spec._fields import fields, text
from shipway.spec._node import Node

_IMAGE = re.compile(r"[a-z0-9]+([.-][a-z0-9]+)*(:[0-9]{1,5})?(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)+")
_OBJECTS = re.compile(r"(s3|gs|az)://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._-]+)*")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]")
_ACCOUNT = re.compile(r"[0-9]{12}")


class KubernetesSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Where in a cluster: a namespace, and the service account that steps and predictors run as."""

    namespace: str = "default"
    service_account: str = "shipway"


class AwsSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Where in AWS: a region, and the account when one is named."""

    region: str = "eu-west-1"
    account: str | None = None


class TargetsSpec(msgspec.Struct, frozen=True, kw_only=True):
    """image: a repository without tag or digest; objects: the URL under which the team's objects and logs are kept."""

    image: str | None = None
    objects: str | None = None
    kubernetes: KubernetesSpec = KubernetesSpec()
    aws: AwsSpec = AwsSpec()


def read_targets(node: Node) -> TargetsSpec:
    """Raises SpecMalformed."""
    entries = fields(node, ("image", "objects", "kubernetes", "aws"), "targets")
    return TargetsSpec(
        image=_match(entries["image"], _IMAGE, "image", "a repository without a tag, as in registry.example.com/flights")
        if "image" in entries
        else None,
        objects=_match(entries["objects"], _OBJECTS, "objects", "as in s3://BUCKET/PREFIX") if "objects" in entries else None,
        kubernetes=_read_kubernetes(entries["kubernetes"]) if "kubernetes" in entries else KubernetesSpec(),
        aws=_read_aws(entries["aws"]) if "aws" in entries else AwsSpec(),
    )


def _read_kubernetes(node: Node) -> KubernetesSpec:
    entries = fields(node, ("namespace", "service_account"), "targets.kubernetes")
    form = "small letters, digits and -, at most 63"
    given = {name: _match(value, _LABEL, f"kubernetes.{name}", form) for name, value in entries.items()}
    return KubernetesSpec(**given)


def _read_aws(node: Node) -> AwsSpec:
    entries = fields(node, ("region", "account"), "targets.aws")
    region = _match(entries["region"], _REGION, "aws.region", "as in eu-west-1") if "region" in entries else "eu-west-1"
    account = None
    if "account" in entries:
        account = _match(entries["account"], _ACCOUNT, "aws.account", 'twelve digits in quotes, as in "123456789012"')
    return AwsSpec(region=region, account=account)


def _match(node: Node, form: re.Pattern[str], what: str, mend: str) -> str:
    value = text(node, f"targets.{what}")
    if not form.fullmatch(value):
        raise node.fail(f"targets.{what} is not {node.shown()}", mend=mend)
    return value

"""A deployment: what may change without changing an answer, and the release that it puts live."""

from __future__ import annotations

from typing import cast

from shipway.kernel import media
from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.digest import Descriptor, Digest
from shipway.spec import DeploySpec
from shipway.store import Store


def deployment_object(store: Store, release: Digest, deploy: DeploySpec) -> JsonObject:
    """The object that `deploy/<application>@<environment>` points at."""
    monitors: dict[str, Json] = {
        name: {"page": monitor.page, "inform": monitor.inform, "window_seconds": monitor.window}
        for name, monitor in deploy.monitors.items()
    }
    return {
        "kind": "deployment",
        "version": 1,
        "application": deploy.application,
        "environment": deploy.environment,
        "release": store.descriptor(release, media.OCI_INDEX).to_json(),
        "target": deploy.target,
        "scale": {"workers": deploy.workers},
        "monitors": monitors,
        "after": deploy.after,
        "follow": list(deploy.follow),
    }


def with_release(store: Store, deployment: Digest, release: Digest) -> JsonObject:
    """The same deployment with another release: scale, target and monitors stay as they are now."""
    return {**store.get(deployment, "deployment"), "release": store.descriptor(release, media.OCI_INDEX).to_json()}


def release_descriptor(deployment: JsonObject) -> Descriptor:
    """Which release a deployment puts live."""
    return Descriptor.from_json(deployment["release"])


def deploy_ref(deploy: DeploySpec) -> str:
    """`deploy/<application>@<environment>`."""
    return f"deploy/{deploy.application}@{deploy.environment}"


def workers_of(deployment: JsonObject) -> int:
    """How many predictor processes the deployment asks for."""
    return cast("int", cast("JsonObject", deployment["scale"])["workers"])

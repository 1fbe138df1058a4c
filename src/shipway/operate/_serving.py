"""What a predictor process is given: one folder with serving.json, and the command that starts it in the project's Python."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import msgspec

from shipway.environment import overlay_command
from shipway.gate import arms_in
from shipway.kernel.canonical import Json, JsonObject, canonical_json
from shipway.kernel.digest import Descriptor, Digest, short
from shipway.kernel.errors import ShipwayError
from shipway.kernel.split import LIVE, SHADOW
from shipway.models import served_model
from shipway.operate._gateway import prepare_gateway
from shipway.operate._serve import Serving
from shipway.pipeline import open_environment, open_overlay
from shipway.release import (
    Arm,
    Component,
    Split,
    find_component,
    load_components,
    predictors_of,
    release_descriptor,
    speaks_grpc,
    split_of,
    workers_of,
)
from shipway.serve import ServingConfig
from shipway.store import Store

_SHADOW_NICE = 10


class NotServable(ShipwayError):
    """The release cannot be served by a local predictor."""

    code = "operate.not-servable"


def prepare_serving(
    store: Store,
    ref: str,
    deployment: Digest,
    *,
    cache: Path,
    report: Callable[[str], None],
    log: bool = True,
    arm: str = LIVE,
    apart: Mapping[str, str] | None = None,
) -> Serving:
    """Write the folder of a deployment and give its command. log: whether predictions are recorded; arm: whose release.

    apart: where the arms answer that have processes of their own, by name; the others are loaded beside the live release. None:
    it answers alone, whatever arms there are. Raises NotServable, EnvironmentFailed, ObjectDamaged.
    """
    value = store.get(deployment, "deployment")
    release = dict(arms_in(value))[arm]
    if value["target"] == "gateway":
        if not log:
            raise NotServable(f"{ref} is a gateway, and keeps budgets and records", mend="serve it from a store")
        return prepare_gateway(store, ref, deployment, value, release, cache=cache)
    model, environment = _model_and_environment(store, ref, release)
    python = open_environment(store, environment, cache=cache, report=report)
    overlay = open_overlay(store, python, cache=cache, report=report)
    config: JsonObject = {**_config(store, value, deployment, release, model), "arm": arm}
    if not log:
        config = {**config, "log_directory": None}
    split, files = split_of(value), _files(store.get(model.digest, "model"))
    folder = store.root / "serving" / short(deployment)
    if split and apart is not None:
        config, more = _with_split(store, ref, deployment, config, split, apart, folder)
        files = (*files, *more)
    file = _written(folder if arm == LIVE else folder / arm, config)
    command = overlay_command(python, overlay, "shipway.protocols.predictor", "--config", str(file))
    scale, grpc = workers_of(value), speaks_grpc(value)
    return Serving(ref, deployment, release, tuple(command), scale, files=files, returns=True, grpc=grpc)


def prepare_apart(
    store: Store, ref: str, deployment: Digest, *, cache: Path, report: Callable[[str], None]
) -> dict[str, Callable[[], Serving]]:
    """How to prepare each arm that answers in processes of its own: in another environment than the live release, with code
    around its model, whose modules share their names with those of another release, or a shadow.

    Such a one may be slow, leak or die, and costs the live release nothing but what it takes to send a request.
    """
    value = store.get(deployment, "deployment")
    split = split_of(value)
    if split is None:
        return {}
    _, live = _model_and_environment(store, ref, release_descriptor(value).digest)

    def prepare(arm: Arm) -> Serving:
        found = prepare_serving(store, ref, deployment, cache=cache, report=report, arm=arm.name)
        if arm.name == SHADOW:
            return replace(found, workers=1, nice=_SHADOW_NICE, returns=False, grpc=None)
        return replace(found, workers=max(1, math.ceil(found.workers * arm.share)), returns=False, grpc=None)

    apart = (arm for arm in split.arms if arm.name == SHADOW or not _fits_beside(store, ref, arm, live))
    return {arm.name: partial(prepare, arm) for arm in apart}


def _fits_beside(store: Store, ref: str, arm: Arm, environment: Digest) -> bool:
    """In one process; not of a release that cannot be read: whoever starts it will tell."""
    try:
        model, own = _model_and_environment(store, ref, arm.release)
        return own == environment and "functions" not in store.get(model.digest, "model")
    except ShipwayError:
        return False


def _model_and_environment(store: Store, ref: str, release: Digest) -> tuple[Component, Digest]:
    components = load_components(store, release)
    models = [component for component in components if component.kind == "model"]
    if len(models) != 1:
        raise NotServable(
            f"{ref} has {len(models)} models", where=release, mend="one model an application: say which with uses:"
        )
    return models[0], find_component(components, "environment").digest


def _with_split(
    store: Store,
    ref: str,
    deployment: Digest,
    config: JsonObject,
    split: Split,
    apart: Mapping[str, str],
    folder: Path,
) -> tuple[JsonObject, tuple[Digest, ...]]:
    """The configuration of the live release with its arms, and what those read that are loaded beside it."""
    arms: list[Json] = []
    files: list[Digest] = []
    for arm in split.arms:
        model, _ = _model_and_environment(store, ref, arm.release)
        own = {**_config(store, store.get(deployment, "deployment"), deployment, arm.release, model), "arm": arm.name}
        file = _written(folder / arm.name, {**own, "log_directory": config["log_directory"]})
        if arm.name not in apart:
            files += _files(store.get(model.digest, "model"))
        buckets: list[Json] = [list(pair) for pair in arm.ranges]
        one: JsonObject = {"name": arm.name, "release": arm.release, "buckets": buckets, "config": str(file)}
        arms.append({**one, "url": apart.get(arm.name)})
    return {**config, "split": {"salt": split.salt, "unit": split.unit, "arms": arms}}, tuple(files)


def _files(model: JsonObject) -> tuple[Digest, ...]:
    """What a predictor reads: the model (converted where it is), its golden rows, and the modules around it."""
    model, own = served_model(model), model.get("functions")
    named = [model["file"], model["golden"], *([own["source"]] if isinstance(own, Mapping) else [])]
    return tuple(Descriptor.from_json(one).digest for one in named)


def model_of(components: Iterable[Component], release: Digest, name: str | None) -> Component:
    """The model of a release by its name, or its only one. Raises NotServable."""
    models = {component.name: component for component in components if component.kind == "model"}
    if name is None and len(models) == 1:
        (name,) = models
    if name not in models:
        what = f"the release has no model {name}" if name else f"the release has {len(models)} models"
        raise NotServable(what, where=release, mend=f"--model {' or '.join(models)}" if models else "a release with a model")
    return models[name]


def lone_config(store: Store, release: Digest, model: Component) -> Path:
    """The serving.json of a model without a deployment and a log, whose files are intact. Raises ObjectDamaged."""
    value = {"application": model.name, "environment": "batch"}
    for digest in _files(store.get(model.digest, "model")):
        store.objects.verify(digest)
    config = {**_config(store, value, release, release, model), "log_directory": None}
    return _written(store.root / "serving" / f"batch-{short(release)}-{short(model.digest)}", config)


def deployed_config(store: Store, deployment: Digest, release: Digest, model: Component) -> ServingConfig:
    """What a predictor of a deployment is told, for one that is started without a process."""
    return msgspec.convert(_config(store, store.get(deployment, "deployment"), deployment, release, model), ServingConfig)


def piped_words(
    store: Store,
    config: Path,
    environment: Digest,
    *,
    cache: Path,
    report: Callable[[str], None],
    offline: bool = False,
) -> tuple[str, ...]:
    """The words that start a predictor without a wire in the environment of its release. Raises EnvironmentFailed."""
    python = open_environment(store, environment, cache=cache, report=report, offline=offline)
    overlay = open_overlay(store, python, cache=cache, report=report, offline=offline)
    return tuple(overlay_command(python, overlay, "shipway.serve.piped", "--config", str(config)))


def predictor_words(
    store: Store, config: Path, environment: Digest, *, cache: Path, report: Callable[[str], None]
) -> tuple[str, ...]:
    """The words that start a server on any free port of loopback, which ends with this process. Raises EnvironmentFailed."""
    python = open_environment(store, environment, cache=cache, report=report)
    overlay = open_overlay(store, python, cache=cache, report=report)
    options = ("--config", str(config), "--port", "0", "--die-with-parent")
    return tuple(overlay_command(python, overlay, "shipway.protocols.predictor", *options))


def _written(folder: Path, config: JsonObject) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "serving.json"
    temporary = folder / f"serving.{os.getpid()}.tmp"
    temporary.write_bytes(canonical_json(config))
    temporary.replace(file)
    return file


def _config(store: Store, deployment: JsonObject, digest: Digest, release: Digest, model: Component) -> JsonObject:
    manifest = store.get(model.digest, "model")
    file, golden, *functions = _files(manifest)
    return {
        "kind": "serving",
        "version": 1,
        "application": deployment["application"],
        "environment": deployment["environment"],
        "release": release,
        "deployment": digest,
        "arm": "live",
        "model": served_model(manifest),
        "model_file": str(store.objects.path(file)),
        "golden_file": str(store.objects.path(golden)),
        "model_name": model.name,
        "log_directory": str(store.log_folder("predictions")),
        "key": manifest["key"],
        "time": manifest["time"],
        **predictors_of(deployment),
        **({"functions_file": str(store.objects.path(functions[0]))} if functions else {}),
    }

"""Monitors that are on and can never say anything of a deployment: its model answers otherwise, or it has no metric."""

from __future__ import annotations

from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import Digest
from shipway.models import Signature
from shipway.monitor._faults import past_unreadable
from shipway.monitor._tables import SCORE
from shipway.release import load_components, metrics_of, release_descriptor
from shipway.store import Store

_NUMBER = "prediction"
_OF_CHANCES = ("calibration", "base_rate")  # what they measure is a property of a probability


def unfit_monitors(store: Store, deployment: JsonObject) -> dict[str, str]:
    """By monitor why it has nothing to look at, in words; those that are off may be among them.

    Of a release that cannot be read, or whose model answers what no monitor knows, nothing is said by its model.
    """
    found = {}
    if not metrics_of(deployment):
        found["business"] = "no outcome says which way is better"
    if not deployment.get("segments"):
        found["segments"] = "none are declared"
    with past_unreadable():
        found |= _by_answers(_outputs(store, release_descriptor(deployment).digest))
    return found


def _outputs(store: Store, release: Digest) -> list[str]:
    """The outputs of the release's one model; none where there are more, or none."""
    models = [component.digest for component in load_components(store, release) if component.kind == "model"]
    if len(models) != 1:
        return []
    record = store.get(models[0], "model").get("signature")
    return [column.name for column in Signature.from_json(record).outputs]


def _by_answers(outputs: list[str]) -> dict[str, str]:
    if SCORE in outputs:
        return {"prediction_error": "the model answers a probability"}
    if any(name.startswith(f"{SCORE}_") for name in outputs):
        return dict.fromkeys((*_OF_CHANCES, "prediction_error"), "the model answers several classes")
    if _NUMBER in outputs:
        return dict.fromkeys((*_OF_CHANCES, "performance"), "the model answers a number")
    return {}

"""The model object: which file, in which format, with which signature and golden rows."""

from __future__ import annotations

from collections.abc import Sequence

from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import Descriptor
from shipway.models._signature import Signature


def model_object(
    *,
    format: str,
    file: Descriptor,
    signature: Signature,
    golden: Descriptor,
    key: Sequence[str],
    time: str | None,
    target: str,
    step: str | None = None,
    reference: str | None = None,
    base: JsonObject | None = None,
    adapters: Sequence[JsonObject] = (),
    functions: JsonObject | None = None,
) -> JsonObject:
    """What a model is; the digest of its canonical JSON names it.

    key: the columns that name a row, time: the one with its event time (none: the time of the request); both are logged
    and never fed to the model. target: the column it predicts. step and reference: the steps that gave the model and its
    held-out table (None: no pipeline made it), so that a release alone is enough to make it again. base, adapters: of a
    fine-tuned model, each `{"name", "revision", "digest"}` of which one of the last two may be missing; left out where there
    are none, so that a model from before is the same model. functions: those around it, `{"source", "before", "after",
    "inputs"}`, with the columns that go into the model itself; the signature is then what goes in before them and comes out
    after.
    """
    origins: JsonObject = {**({"base": base} if base else {}), **({"adapters": list(adapters)} if adapters else {})}
    own: JsonObject = {"functions": functions} if functions else {}
    return {
        "kind": "model",
        "version": 1,
        "format": format,
        "file": file.to_json(),
        "signature": signature.to_json(),
        "golden": golden.to_json(),
        "key": list(key),
        "time": time,
        "target": target,
        "step": step,
        "reference": reference,
        **origins,
        **own,
    }

"""The model object: which file, in which format, with which signature and golden rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
    onnx: JsonObject | None = None,
    allow_pickle: bool = False,
) -> JsonObject:
    """What a model is; the digest of its canonical JSON names it.

    key: the columns that name a row, time: the one with its event time (none: the time of the request); both are logged and
    never fed to the model. target: the column it predicts. step and reference: the steps that gave the model and its held-out
    table (None: no pipeline made it), so that a release alone is enough to make it again. base, adapters: of a fine-tuned
    model, each `{"name", "revision", "digest"}` of which one of the last two may be missing; left out where there are none,
    so that a model from before is the same model. functions: those around it, `{"source", "before", "after", "inputs"}`, with
    the columns that go into the model itself (and "class", of a model that is one of the project's own); the signature is
    then what goes in before them and comes out after. onnx: the same model converted, `{"file", "tolerance", "largest",
    "rows"}`: how far its answers may be from the golden ones, and how far they were at most on so many rows. allow_pickle:
    the file may run code when it is loaded.
    """
    origins: JsonObject = {**({"base": base} if base else {}), **({"adapters": list(adapters)} if adapters else {})}
    own: JsonObject = {**({"functions": functions} if functions else {}), **({"onnx": onnx} if onnx else {})}
    pickled: JsonObject = {"allow_pickle": True} if allow_pickle else {}
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
        **pickled,
    }


def served_model(manifest: JsonObject) -> JsonObject:
    """The manifest that a predictor loads: of the converted model where there is one, with its `tolerance`.

    >>> file = {"digest": "sha256:" + "0" * 64, "mediaType": "application/x", "size": 1}
    >>> served = served_model({"kind": "model", "format": "skops", "onnx": {"file": file, "tolerance": 0.001}})
    >>> served["format"], served["tolerance"], "onnx" in served
    ('onnx', 0.001, False)
    """
    converted = manifest.get("onnx")
    if not isinstance(converted, Mapping):
        return manifest
    kept = {name: value for name, value in manifest.items() if name != "onnx"}
    return {**kept, "format": "onnx", "file": converted["file"], "tolerance": converted["tolerance"]}

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
) -> JsonObject:
    """What a model is; the digest of its canonical JSON names it.

    key: the columns that name a row, time: the one with its event time (none: the time of the request); both are logged
    and never fed to the model. target: the column it predicts.
    """
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
    }

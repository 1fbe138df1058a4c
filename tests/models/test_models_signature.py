from __future__ import annotations

import pytest
from models_help import BINARY, INPUTS

from shipway.kernel.canonical import Json
from shipway.kernel.digest import Descriptor, digest_bytes
from shipway.models import Column, Signature, SignatureMalformed, model_object


def test_a_signature_comes_back_from_json() -> None:
    assert Signature.from_json(BINARY.to_json()) == BINARY


@pytest.mark.parametrize(
    "record",
    [
        None,
        {},
        {"inputs": "carrier", "outputs": []},
        {"inputs": ["carrier"], "outputs": []},
        {"inputs": [{"name": "carrier"}], "outputs": []},
        {"inputs": [{"name": "carrier", "datatype": "BF16"}], "outputs": []},
        {"inputs": [{"name": "a", "datatype": "FP64"}, {"name": "a", "datatype": "FP64"}], "outputs": []},
    ],
)
def test_what_is_no_signature_is_refused(record: Json) -> None:
    with pytest.raises(SignatureMalformed):
        Signature.from_json(record)


def test_an_unknown_datatype_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SignatureMalformed) as refusal:
        Column("carrier", "STRING")
    assert "BYTES" in str(refusal.value.mend)


def test_the_model_object_has_these_fields_and_no_other() -> None:
    file, golden = (Descriptor("application/octet-stream", digest_bytes(data), 1) for data in (b"f", b"g"))
    signature = Signature(INPUTS, (Column("probability", "FP64"),))
    assert model_object(
        format="skops", file=file, signature=signature, golden=golden, key=["flight"], time="scheduled", target="late"
    ) == {
        "kind": "model",
        "version": 1,
        "format": "skops",
        "file": file.to_json(),
        "signature": signature.to_json(),
        "golden": golden.to_json(),
        "key": ["flight"],
        "time": "scheduled",
        "target": "late",
        "step": None,
        "reference": None,
    }

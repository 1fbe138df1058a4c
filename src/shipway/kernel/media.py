"""The namespaces: media types of our objects and leaves, predicate types of our evidence. Frozen in docs/format.md."""

from __future__ import annotations

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"
PARQUET = "application/vnd.apache.parquet"
NPY = "application/vnd.shipway.npy.v1"
SKOPS = "application/vnd.shipway.model.skops.v1"
ONNX = "application/vnd.shipway.model.onnx.v1"
XGBOOST = "application/vnd.shipway.model.xgboost.v1+json"
LIGHTGBM = "application/vnd.shipway.model.lightgbm.v1"
PROGRAM = "application/vnd.shipway.model.torch.v1+zip"
SAFETENSORS = "application/vnd.shipway.model.safetensors.v1"
MODEL_FOLDER = "application/vnd.shipway.model.folder.v1+zip"
JSON = "application/json"
XML = "application/xml"
TEXT = "text/plain"
MARKDOWN = "text/markdown"
CYCLONEDX = "application/vnd.cyclonedx+json"
BYTES = "application/octet-stream"
WHEEL = "application/vnd.shipway.wheel.v1+zip"
INTOTO = "application/vnd.in-toto+json"
DSSE = "application/vnd.dsse.envelope.v1+json"
SIGSTORE = "application/vnd.dev.sigstore.bundle.v0.3+json"

STATEMENT = "https://in-toto.io/Statement/v1"
CHECK_PREDICATE = "https://shipway.dev/check/v1"
APPROVAL_PREDICATE = "https://shipway.dev/approval/v1"
REJECTION_PREDICATE = "https://shipway.dev/rejection/v1"
COMMENT_PREDICATE = "https://shipway.dev/comment/v1"
REVOCATION_PREDICATE = "https://shipway.dev/revocation/v1"
REBUILD_PREDICATE = "https://shipway.dev/rebuild/v1"
PROVENANCE_PREDICATE = "https://slsa.dev/provenance/v1"
SUMMARY_PREDICATE = "https://slsa.dev/verification_summary/v1"
MODEL_SIGNATURE_PREDICATE = "https://model_signing/signature/v1.0"
TEST_RESULT_PREDICATE = "https://in-toto.io/attestation/test-result/v0.1"


def media_type(kind: str, version: int = 1) -> str:
    """The media type of one of our objects.

    >>> media_type("snapshot")
    'application/vnd.shipway.snapshot.v1+json'
    """
    return f"application/vnd.shipway.{kind}.v{version}+json"

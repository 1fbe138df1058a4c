"""What a verdict said, for tools that know no verdict of ours: a SLSA Verification Summary (predicate v1), signed."""

from __future__ import annotations

from typing import cast

from shipway.access import KeyUnusable, Signer, SignerFailed
from shipway.gate._evidence import RESOURCE, attest
from shipway.gate._subjects import release_of
from shipway.kernel import media
from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import Digest, parse_digest
from shipway.store import Store

VERIFIER = "https://shipway.dev/gate/v1"
VERDICT_FIELD = "https://shipway.dev/verdict"  # SLSA: extension fields are named by URIs


def attest_verdict(store: Store, signer: Signer, verdict: Digest) -> Digest | None:
    """Sign the summary of a verdict: about the release that it would put live, else the object; the envelope's digest.

    Makes no claim of a SLSA level. A forced move is FAILED: the policy did not allow it. A refusal stands without its summary
    (None) where no key can sign; a move does not. Raises ObjectMissing, KeyUnusable, SignerFailed.
    """
    value = store.get(verdict, "verdict")
    target = parse_digest(str(value["to"]))
    subject, kind, summary = release_of(store, target) or target, media.SUMMARY_PREDICATE, _summary(value, verdict)
    name = str(value["ref"])
    try:
        return attest(store, signer, subject=subject, name=name, predicate_type=kind, predicate=summary, label="verdict")
    except (KeyUnusable, SignerFailed):
        if value["allowed"] is True:
            raise
        return None


def _summary(value: JsonObject, verdict: Digest) -> JsonObject:
    project, passed = value["project"], value["allowed"] is True and not value.get("forced")
    return {
        "verifier": {"id": VERIFIER},
        "timeVerified": value["at"],
        "resourceUri": f"{RESOURCE}{project}/{value['ref']}",
        "policy": {"uri": f"{RESOURCE}{project}/policy/main", "digest": _digest_set(str(value["policy"]))},
        "inputAttestations": [{"digest": _digest_set(envelope)} for envelope in cast("list[str]", value["evidence"])],
        "verificationResult": "PASSED" if passed else "FAILED",
        "verifiedLevels": ["SLSA_BUILD_LEVEL_UNEVALUATED" if passed else "FAILED"],
        "slsaVersion": "1.1",
        VERDICT_FIELD: {"digest": _digest_set(verdict)},
    }


def _digest_set(digest: str) -> JsonObject:
    return {"sha256": digest.removeprefix("sha256:")}

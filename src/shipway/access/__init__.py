"""Who may do what: actor, action, resource and one pure `authorize`; identities and signing keys."""

from shipway.access._authorize import Action, Actor, Forbidden, authorize, may_approve, permits
from shipway.access._change import KeyUnknown, TrustRefused, find_key, retire_key, revoke_key, rotate_key, trust_key
from shipway.access._identity import local_actor
from shipway.access._keys import GivenKeys, KeyExposed, open_keys, open_ring, open_signer
from shipway.access._public import ALGORITHMS, ECDSA_P256, KeyMissing, Period, Revoked, TrustedKey
from shipway.access._ring import KeyRing
from shipway.access._signer import KeyUnusable, LocalSigner, Signer, SignerFailed
from shipway.access._trust import TrustMalformed

__all__ = [
    "ALGORITHMS",
    "ECDSA_P256",
    "Action",
    "Actor",
    "Forbidden",
    "GivenKeys",
    "KeyExposed",
    "KeyMissing",
    "KeyRing",
    "KeyUnknown",
    "KeyUnusable",
    "LocalSigner",
    "Period",
    "Revoked",
    "Signer",
    "SignerFailed",
    "TrustMalformed",
    "TrustRefused",
    "TrustedKey",
    "authorize",
    "find_key",
    "local_actor",
    "may_approve",
    "open_keys",
    "open_ring",
    "open_signer",
    "permits",
    "retire_key",
    "revoke_key",
    "rotate_key",
    "trust_key",
]

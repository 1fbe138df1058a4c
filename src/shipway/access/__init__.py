"""Who may do what: actor, action, resource and one pure `authorize`; identities and signing keys."""

from shipway.access._authorize import Action, Actor, Forbidden, authorize
from shipway.access._identity import local_actor
from shipway.access._keys import KeyMissing, KeyRing, Signer, open_keys

__all__ = ["Action", "Actor", "Forbidden", "KeyMissing", "KeyRing", "Signer", "authorize", "local_actor", "open_keys"]

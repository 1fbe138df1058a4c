"""With what a run acts."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from shipway.access import Actor, KeyRing, Signer
from shipway.store import Store


class Hands:
    """With what a run acts: the store, who signs and moves, where environments are cached, and the variables with secrets."""

    def __init__(
        self,
        store: Store,
        signer: Signer,
        keys: KeyRing,
        actor: Actor,
        cache: Path,
        *,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.store, self.signer, self.keys, self.actor, self.cache = store, signer, keys, actor, cache
        self.environ = environ or {}

    def working(self) -> AbstractContextManager[None]:
        """As Store.working."""
        return self.store.working()

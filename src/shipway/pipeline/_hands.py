"""With what a run acts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from shipway.access import Actor, KeyRing, Signer
    from shipway.store import Store


class Opened(NamedTuple):
    """Who signs, whose signatures count, who acts, and where environments are cached."""

    signer: Signer
    keys: KeyRing
    actor: Actor
    cache: Path


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
        self.store, self.environ = store, environ or {}
        self._open: Callable[[], Opened] = lambda: Opened(signer, keys, actor, cache)

    @classmethod
    def when_needed(cls, store: Store, open_: Callable[[], Opened], *, environ: Mapping[str, str]) -> Hands:
        """Hands that open everything but the store when they are first asked for any of it."""
        made = cls.__new__(cls)
        made.store, made.environ, made._open = store, environ, open_
        return made

    @cached_property
    def opened(self) -> Opened:
        """Raises what opening the keys raises."""
        return self._open()

    @property
    def signer(self) -> Signer:
        return self.opened.signer

    @property
    def keys(self) -> KeyRing:
        return self.opened.keys

    @property
    def actor(self) -> Actor:
        return self.opened.actor

    @property
    def cache(self) -> Path:
        return self.opened.cache

    def working(self) -> AbstractContextManager[None]:
        """As Store.working."""
        return self.store.working()

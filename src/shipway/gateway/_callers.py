"""Who calls: a key is known by its hash, and carries its rate, its budgets and what it may read."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from shipway.gateway._config import BudgetConfig, GatewayConfig, KeyConfig
from shipway.gateway._errors import ConfigMalformed, KeyUnknown
from shipway.gateway._http import Headers
from shipway.gateway._limits import Bucket
from shipway.kernel.digest import is_digest
from shipway.llm import Charge, Usd, secret_value

_EVERYBODY = "gateway"
Buckets = tuple[tuple[str, Bucket], ...]


@dataclass(frozen=True, slots=True)
class Caller:
    """A key by its name, empty for a gateway without keys. charges: the budgets that its calls count against; groups: what
    its readers are in, none unless the key says so.
    """

    name: str
    tenant: str
    groups: frozenset[str]
    buckets: Buckets
    charges: tuple[Charge, ...]


class Callers:
    """The keys of a gateway. Without any, everybody who reaches the address may call. Raises SecretMissing, ConfigMalformed."""

    def __init__(self, config: GatewayConfig, environ: Mapping[str, str], *, now: float) -> None:
        self._buckets = _bucket("all callers", config.rate_per_minute, now)
        self._charges = _charge(_EVERYBODY, config.budget)
        self._known = [(_hash(key, environ), self._caller(key, now)) for key in config.keys]
        self._anybody = None if config.keys else Caller("", "", frozenset(), self._buckets, self._charges)

    @property
    def open(self) -> bool:
        return self._anybody is not None

    @property
    def budgeted(self) -> bool:
        """Whether any budget is set."""
        return bool(self._charges) or any(caller.charges for _, caller in self._known)

    @property
    def charges(self) -> tuple[Charge, ...]:
        """Every budget, each once."""
        return tuple(dict.fromkeys([*self._charges, *(charge for _, caller in self._known for charge in caller.charges)]))

    def find(self, headers: Headers) -> Caller:
        """The caller whose key the request bears; all known ones are compared, so time tells nothing. Raises KeyUnknown."""
        if self._anybody is not None:
            return self._anybody
        given = _given(headers)
        if not given:
            raise KeyUnknown("no key", mend="send it as `Authorization: Bearer KEY` or `x-api-key: KEY`")
        hashed, found = hashlib.sha256(given).digest(), None
        for known, caller in self._known:
            if hmac.compare_digest(known, hashed):
                found = caller
        if found is None:
            raise KeyUnknown("an unknown key", mend="ask whoever runs the gateway for one")
        return found

    def _caller(self, key: KeyConfig, now: float) -> Caller:
        buckets = (*_bucket(f"the key {key.name!r}", key.rate_per_minute, now), *self._buckets)
        charges = (*_charge(f"key/{key.name}", key.budget), *self._charges)
        return Caller(key.name, key.tenant or key.name, frozenset(key.groups or ()), buckets, charges)


def _given(headers: Headers) -> bytes:
    bearer = headers.get(b"authorization", b"")
    if bearer[:7].lower() == b"bearer ":
        return bearer[7:].strip()
    return headers.get(b"x-api-key", b"").strip()


def _hash(key: KeyConfig, environ: Mapping[str, str]) -> bytes:
    if is_digest(key.key):
        return bytes.fromhex(key.key.removeprefix("sha256:"))
    if not key.key.startswith("secret://"):
        mend = "write secret://env/NAME, or sha256: and the 64 digits of its hash"
        raise ConfigMalformed(f"the key {key.name!r} is neither a reference nor a hash", mend=mend)
    return hashlib.sha256(secret_value(key.key, environ).encode()).digest()


def _bucket(whose: str, per_minute: float | None, now: float) -> Buckets:
    if per_minute is None:
        return ()
    if per_minute < 1:
        raise ConfigMalformed(
            f"the rate for {whose} is {per_minute:g}", mend="write 1 or more calls a minute, or none for no limit"
        )
    return ((whose, Bucket(per_minute, now=now)),)


def _charge(scope: str, budget: BudgetConfig | None) -> tuple[Charge, ...]:
    return (Charge(scope, Usd(budget.usd), int(budget.window_seconds)),) if budget else ()

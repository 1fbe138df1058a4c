"""Prices: asked of a table once, kept as an object, so that a bill can be made again. Nothing is fetched.

A price that nobody knows is null, and the cost of a call at it is an error: unknown never counts as free.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple, cast

from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.errors import ShipwayError
from shipway.llm._stream import shape_of
from shipway.llm._types import Provider, Usage, Usd

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice

FIELDS = ("input", "cached", "written", "output")
_TABLE_FIELDS = {"input": "input_mtok", "cached": "cache_read_mtok", "written": "cache_write_mtok", "output": "output_mtok"}
_FREE: JsonObject = {"input": 0, "cached": 0, "written": 0, "output": 0, "source": "local"}
_MILLION = 1_000_000


class PriceUnknown(ShipwayError):
    """A call whose cost cannot be said, because the price of its model is not known."""

    code = "llm.price-unknown"


class PriceMalformed(ShipwayError):
    """A price that is no price: not a number, or below zero."""

    code = "llm.price-malformed"


class _Known(NamedTuple):
    rates: JsonObject
    context: int | None


def resolve_prices(providers: Iterable[Provider], *, on: date, custom: Mapping[str, JsonObject] | None = None) -> JsonObject:
    """The `prices` object of these providers on a day: USD per million tokens, null where the table knows none.

    custom: rates by `provider name/model` or by model, for self-hosted models; they win over the table. A local model costs
    nothing. A model above a length of input may have `above`: further rates for a whole call that is longer. Without
    `genai-prices` (the extra `prices`) only custom and local rates are known. Raises PriceMalformed.
    """
    rates: dict[str, Json] = {}
    limits: dict[str, Json] = {}
    for provider in sorted(providers, key=lambda provider: provider.name):
        name = f"{provider.name}/{provider.model}"
        own = (custom or {}).get(name) or (custom or {}).get(provider.model)
        known = None if own or provider.local else _look_up(provider, on)
        rates[name] = _custom(own, name) if own else _FREE if provider.local else known.rates if known else None
        if known and known.context:
            limits[name] = {"context": known.context}
    return {"kind": "prices", "version": 1, "date": on.isoformat(), "source": _source(), "rates": rates, "limits": limits}


def rates_of(prices: JsonObject, provider: Provider) -> JsonObject | None:
    """The rates of a provider's model in a prices object, None when they are not known."""
    rates = cast("Mapping[str, JsonObject | None]", prices["rates"])
    return rates.get(f"{provider.name}/{provider.model}")


def cost_of(usage: Usage, rates: JsonObject | None) -> Usd:
    """Dollars of one call. cached and written tokens at their rates, at that of input where they have none.

    Raises PriceUnknown where rates, or a rate that the usage needs, is not known.

    >>> cost_of(Usage(1_000_000, 1_000_000, cached=500_000), {"input": 0.15, "cached": 0.075, "output": 0.6})
    0.7125
    """
    if rates is None:
        raise PriceUnknown("the price of this model is not known", mend="give custom rates for it, or reserve without a budget")
    rates = _tier(usage, rates)
    plain = usage.input - usage.cached - usage.written
    cost = plain * _rate(rates, "input", plain) + usage.output * _rate(rates, "output", usage.output)
    cost += usage.cached * _rate(rates, "cached", usage.cached, instead="input")
    cost += usage.written * _rate(rates, "written", usage.written, instead="input")
    return Usd(cost / _MILLION)


def rates_from_litellm(table: Mapping[str, JsonObject]) -> dict[str, JsonObject]:
    """Custom rates by model from a LiteLLM price file (`model_prices_and_context_window.json`, dollars a token)."""
    names = {
        "input": "input_cost_per_token",
        "cached": "cache_read_input_token_cost",
        "written": "cache_creation_input_token_cost",
        "output": "output_cost_per_token",
    }
    found: dict[str, JsonObject] = {}
    for model, entry in table.items():
        if model != "sample_spec" and any(isinstance(entry.get(name), int | float) for name in names.values()):
            found[model] = {ours: _per_million(entry.get(theirs)) for ours, theirs in names.items()}
    return found


def _per_million(each: Json) -> float | None:
    if isinstance(each, bool) or not isinstance(each, int | float):
        return None
    return float(Decimal(repr(each)) * _MILLION)  # 1.5e-07 is 0.15, not 0.15000000000000002


def _rate(rates: JsonObject, field: str, tokens: int, instead: str = "") -> float:
    rate = rates.get(field)
    if rate is None and instead:
        rate = rates.get(instead)
    if rate is None and tokens:
        raise PriceUnknown(f"the price of this model's {field} tokens is not known", mend="give custom rates for it")
    return cast("float", rate or 0.0)


def _tier(usage: Usage, rates: JsonObject) -> JsonObject:
    """The rates that hold for a call with this much input: the last tier that it is longer than (all its tokens)."""
    for tier in reversed(cast("list[JsonObject]", rates.get("above") or [])):
        if usage.input > cast("int", tier["tokens"]):
            return tier
    return rates


def _custom(rates: JsonObject, name: str) -> JsonObject:
    for field, rate in rates.items():
        if field not in FIELDS:
            raise PriceMalformed(f"{field!r} is no rate", where=name, mend=f"one of {', '.join(FIELDS)}")
        if rate is not None and (isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate < 1e6):
            raise PriceMalformed(f"the rate {field} of {name} is {rate!r}", mend="dollars per million tokens, 0 or more")
    return {**{field: rates.get(field) for field in FIELDS}, "source": "custom"}


def _source() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"genai-prices {version('genai-prices')}"
    except PackageNotFoundError:
        return "custom"


def _look_up(provider: Provider, on: date) -> _Known | None:
    """What the table says about a provider's model; its address decides whose model it is, never the name alone."""
    try:
        from genai_prices.data_snapshot import get_snapshot
    except ImportError:
        return None
    url = provider.url or shape_of(provider.shape).default_url
    try:
        _, model = get_snapshot().find_provider_model(provider.model, None, None, url)
    except LookupError:
        return None
    return _Known(_table_rates(model, datetime.combine(on, time(12), UTC)), model.context_window)


def _table_rates(model: ModelInfo, moment: datetime) -> JsonObject:
    prices = model.get_prices(moment)
    starts = sorted({tier.start for name in _TABLE_FIELDS.values() for tier in getattr(getattr(prices, name), "tiers", ())})
    base: dict[str, Json] = {field: _at(prices, name, 0) for field, name in _TABLE_FIELDS.items()}
    if starts:
        above = [
            {"tokens": start} | {field: _at(prices, name, start) for field, name in _TABLE_FIELDS.items()} for start in starts
        ]
        base["above"] = cast("Json", above)
    return base


def _at(prices: ModelPrice, name: str, start: int) -> float | None:
    """The rate of one kind of tokens for a call longer than `start` input tokens."""
    price = getattr(prices, name)
    if price is None:
        return None
    reached = [tier.price for tier in getattr(price, "tiers", ()) if start and tier.start <= start]
    return float(reached[-1] if reached else getattr(price, "base", price))

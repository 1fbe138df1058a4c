from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.kernel.canonical import JsonObject, canonical_json
from shipway.llm import (
    ANTHROPIC,
    PriceMalformed,
    PriceUnknown,
    Provider,
    Usage,
    cost_of,
    rates_from_litellm,
    rates_of,
    resolve_prices,
)

DAY = date(2026, 11, 23)
MINI = Provider("answer", "gpt-4o-mini", key="secret://env/K")
CLAUDE = Provider("judge", "claude-sonnet-4-5", shape=ANTHROPIC)
LOCAL = Provider("small", "smollm2", local="smollm2")
OWN = Provider("own", "our-model", "http://127.0.0.1:4790/v1")


def rates(provider: Provider) -> JsonObject | None:
    return rates_of(resolve_prices([provider], on=DAY), provider)


def test_prices_are_an_object_with_a_rate_for_each_provider() -> None:
    prices = resolve_prices([OWN, MINI, LOCAL], on=DAY)
    assert (prices["kind"], prices["version"], prices["date"]) == ("prices", 1, "2026-11-23")
    assert str(prices["source"]).startswith("genai-prices ")
    assert prices["rates"] == {
        "answer/gpt-4o-mini": {"input": 0.15, "cached": 0.075, "written": None, "output": 0.6},
        "own/our-model": None,
        "small/smollm2": {"input": 0, "cached": 0, "written": 0, "output": 0, "source": "local"},
    }
    assert prices["limits"] == {"answer/gpt-4o-mini": {"context": 128000}}
    assert canonical_json(prices) == canonical_json(resolve_prices([LOCAL, MINI, OWN], on=DAY))


def test_an_unknown_price_is_never_free() -> None:
    with pytest.raises(PriceUnknown):
        cost_of(Usage(1, 1), rates(OWN))
    with pytest.raises(PriceUnknown, match="output"):
        cost_of(Usage(1, 1), {"input": 1, "output": None})
    assert cost_of(Usage(1_000_000, 0), {"input": 1, "output": None}) == 1.0


def test_a_model_at_a_strange_address_has_no_price_by_its_name() -> None:
    assert rates(Provider("x", "gpt-4o-mini", "http://127.0.0.1:1/v1")) is None


def test_custom_rates_win_by_provider_or_by_model() -> None:
    mine = {"input": 1, "output": 2}
    for custom in ({"own/our-model": mine}, {"our-model": mine}):
        prices = resolve_prices([OWN], on=DAY, custom=custom)
        assert cost_of(Usage(1_000_000, 1_000_000, cached=1000), rates_of(prices, OWN)) == 3.0
    assert rates_of(resolve_prices([MINI], on=DAY, custom={"gpt-4o-mini": mine}), MINI) != rates(MINI)


@pytest.mark.parametrize("wrong", [{"inptu": 1}, {"input": -1}, {"input": "1"}, {"input": float("nan")}, {"input": True}])
def test_a_custom_rate_that_is_none_is_refused(wrong: JsonObject) -> None:
    with pytest.raises(PriceMalformed):
        resolve_prices([OWN], on=DAY, custom={"our-model": wrong})


def test_a_long_call_costs_its_tier_for_all_tokens() -> None:
    found = rates(CLAUDE)
    assert cost_of(Usage(200_000, 0), found) == pytest.approx(0.6)
    assert cost_of(Usage(200_001, 0), found) == pytest.approx(200_001 * 6 / 1e6)


@settings(deadline=None, max_examples=200)
@given(
    st.sampled_from([MINI, CLAUDE]),
    st.integers(0, 400_000),
    st.integers(0, 100_000),
    st.integers(0, 100_000),
    st.integers(0, 100_000),
)
def test_costs_are_those_of_genai_prices(provider: Provider, plain: int, cached: int, written: int, output: int) -> None:
    """The oracle is the table's own calculator, on the same day."""
    import genai_prices

    written = written if provider is CLAUDE else 0
    usage = Usage(plain + cached + written, output, cached=cached, written=written)
    theirs = genai_prices.Usage(
        input_tokens=usage.input, output_tokens=output, cache_read_tokens=cached, cache_write_tokens=written
    )
    provider_id = "anthropic" if provider is CLAUDE else "openai"
    when = datetime(2026, 11, 23, 12, tzinfo=UTC)
    bill = genai_prices.calc_price(theirs, provider.model, provider_id=provider_id, genai_request_timestamp=when)
    assert abs(Decimal(cost_of(usage, rates_cached(provider))) - bill.total_price) < Decimal("1e-9")


_KNOWN: dict[str, JsonObject | None] = {}


def rates_cached(provider: Provider) -> JsonObject | None:
    if provider.name not in _KNOWN:
        _KNOWN[provider.name] = rates(provider)
    return _KNOWN[provider.name]


def test_litellms_price_file_becomes_custom_rates() -> None:
    table: dict[str, JsonObject] = {
        "sample_spec": {"input_cost_per_token": 0.0},
        "our-model": {
            "input_cost_per_token": 1.5e-07,
            "output_cost_per_token": 6e-07,
            "cache_read_input_token_cost": 7.5e-08,
            "mode": "chat",
        },
        "an-image-model": {"output_cost_per_image": 0.04},
    }
    found = rates_from_litellm(table)
    assert found == {"our-model": {"input": 0.15, "cached": 0.075, "written": None, "output": 0.6}}
    assert cost_of(Usage(1000, 1000), rates_of(resolve_prices([OWN], on=DAY, custom=found), OWN)) == pytest.approx(0.00075)

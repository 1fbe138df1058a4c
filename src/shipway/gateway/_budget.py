"""Budgets of calls: the worst case is reserved before a call and replaced by what it cost after it.

The ledger is called on the event loop: a transaction takes some 50 us, less than handing it to a thread and back would.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from shipway.gateway._call import Call
from shipway.gateway._callers import Caller
from shipway.gateway._errors import BudgetSpent, LedgerDown, PriceUnknown
from shipway.gateway._providers import LiveProvider
from shipway.gateway._request import Ask
from shipway.gateway._upstream import Wanted
from shipway.llm import BudgetReached, Ledger, LedgerGone, Reservation, Usd, count_tokens

_MARGIN = 1.25  # facts: the tokenizers of other makers differ from ours by up to a quarter
_LEDGER = "ledger"


class Purse:
    """Reserves and settles. open_ledger: None where no budget is set; allow: calls go on without a ledger, and say so."""

    def __init__(self, open_ledger: Callable[[], Ledger] | None, *, allow: bool, now: Callable[[], float]) -> None:
        self._allow, self._now = allow, now
        self._ledger: Ledger | None = None
        self.lapses = 0  # calls that went on without the ledger
        try:
            self._ledger = open_ledger() if open_ledger else None
        except LedgerGone:
            if not allow:
                raise

    def reserve(self, call: Call, caller: Caller, usd: float) -> Reservation | None:
        """Holds the worst case of a call against the budgets of its caller. Raises BudgetSpent, LedgerDown."""
        if not caller.charges:
            return None
        try:
            if self._ledger is None:
                raise LedgerGone("the ledger could not be opened")
            return self._ledger.reserve(caller.charges, Usd(usd), now=self._now())
        except BudgetReached as reached:
            raise _spent(reached, self._now()) from reached
        except LedgerGone as gone:
            if not self._allow:
                mend = "whoever runs the gateway has to mend its ledger, or set ledger_down to allow"
                raise LedgerDown(f"budgets cannot be checked: {gone.what}", mend=mend) from gone
            self.lapses += 1
            call.degraded.append(_LEDGER)
            return None

    def settle(self, call: Call, reservation: Reservation | None) -> None:
        """What the call cost takes the place of what was held; without the ledger that stays held, which overspends nothing."""
        if reservation is None or self._ledger is None:
            return
        try:
            self._ledger.settle(reservation, Usd(call.usd))
        except LedgerGone:
            call.degraded.append(_LEDGER)

    def close(self) -> None:
        if self._ledger is not None:
            self._ledger.close()


def worst_case(wanted: list[Wanted], ask: Ask, caller: Caller, *, limit: int) -> tuple[list[Wanted], float]:
    """The providers that may be asked, and the most that the dearest of them can cost; limit: tokens of one answer.

    Without a budget all of them at 0. Raises PriceUnknown when the first one's price is not known; a fallback is left out.
    """
    if not caller.charges:
        return wanted, 0.0
    output = 0 if ask.endpoint.limit_field is None else limit * ask.choices
    dearest: list[tuple[Wanted, float]] = []
    for want in wanted:
        usd = want.live.worst_cost(input=input_bound(want.body), output=output)
        if usd is not None:
            dearest.append((want, usd))
        elif not dearest:
            model = f"{want.live.name}/{want.live.provider.model}"
            raise PriceUnknown(f"a budget applies and the price of {model} is not known", mend="give its rates in prices")
    return [want for want, _ in dearest], max(usd for _, usd in dearest)


def input_bound(body: bytes) -> int:
    """More tokens than the texts of a request have: its JSON is counted too."""
    return int(count_tokens(body.decode("utf-8", "replace")) * _MARGIN) + 8


def bounded(live: LiveProvider, ask: Ask, caller: Caller, longest: int) -> dict[str, int]:
    """The limit that a budgeted call gets when neither the caller nor the provider's parameters set one."""
    name = ask.endpoint.limit_field
    known = ("max_tokens", "max_completion_tokens", "max_output_tokens")
    if not caller.charges or name is None or ask.limit is not None or any(key in live.provider.parameters for key in known):
        return {}
    return {name: longest}


def _spent(reached: BudgetReached, now: float) -> BudgetSpent:
    until = datetime.fromtimestamp(reached.resets, UTC).strftime("%Y-%m-%d %H:%M UTC")
    whose = "the gateway" if reached.scope == "gateway" else f"the {reached.scope.replace('/', ' ')}"
    what = f"the budget of {whose} is {reached.budget:g} usd: {reached.what}"
    return BudgetSpent(what, mend=f"it begins anew at {until}", after=max(1.0, reached.resets - now))

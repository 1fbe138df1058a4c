"""Budgets of calls: the worst case is reserved before a call and replaced by what it cost after it.

The ledger is called on the event loop: a transaction takes some 50 us, less than handing it to a thread and back would. While
another process has the file, one call at a time asks again and all others wait, and the loop goes on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from shipway.gateway._call import Call
from shipway.gateway._callers import Caller
from shipway.gateway._errors import BudgetSpent, LedgerDown, PriceUnknown
from shipway.gateway._upstream import Wanted
from shipway.llm import BudgetReached, Charge, Ledger, LedgerGone, Reservation, Usd, count_tokens

LEDGER_WAIT = 0.005  # seconds that SQLite may wait on the loop: other workers of this gateway are done sooner
_BUSY_SECONDS, _LATER_SECONDS, _POLL_SECONDS = 2.0, 60.0, 0.05
_SWEEP_SECONDS, _KEEP_SECONDS = 3600.0, 31 * 86400.0
_MOST_USD = 1e9  # what the ledger can hold; no budget is as large
_MARGIN = 1.25  # facts: the tokenizers of other makers differ from ours by up to a quarter
_AT_ONCE, _SLICE = 1 << 18, 1 << 16  # bytes: counting 64 kB takes some 3 ms
_LEDGER = "ledger"

_T = TypeVar("_T")


class Purse:
    """Reserves and settles. open_ledger: None where no budget is set; allow: calls go on without a ledger, and say so."""

    def __init__(self, open_ledger: Callable[[], Ledger] | None, *, allow: bool, now: Callable[[], float]) -> None:
        self._allow, self._now = allow, now
        self._ledger: Ledger | None = None
        self._turn = asyncio.Lock()
        self._settling: set[asyncio.Task[None]] = set()
        self._swept = 0.0
        self.lapses = 0  # calls that went on without the ledger
        try:
            self._ledger = open_ledger() if open_ledger else None
        except LedgerGone:
            if not allow:
                raise

    async def hold(self, call: Call, caller: Caller, usd: float) -> Hold:
        """Holds the worst case of a call against the budgets of its caller. Raises BudgetSpent, LedgerDown."""
        hold = Hold(self, call, caller, Usd(min(usd, _MOST_USD)))
        if not caller.charges:
            return hold
        try:
            await self.reserve(hold)
        except BudgetReached as reached:
            raise _spent(reached, self._now()) from reached
        except LedgerGone as gone:
            if not self._allow:
                mend = "whoever runs the gateway has to mend its ledger, or set ledger_down to allow"
                raise LedgerDown(f"budgets cannot be checked: {gone.what}", mend=mend) from gone
            self.lapses += 1
            call.degraded.append(_LEDGER)
        return hold

    async def reserve(self, hold: Hold) -> None:
        """Adds one worst case to what is held. Raises BudgetReached, LedgerGone."""
        now = self._now()
        hold.held.append(await self._run(lambda ledger: ledger.reserve(hold.caller.charges, hold.usd, now=now), _BUSY_SECONDS))
        if now - self._swept > _SWEEP_SECONDS:
            self._swept = now
            self._try_later(lambda ledger: ledger.forget(before=now - _KEEP_SECONDS))

    def settle(self, reservation: Reservation, usd: Usd | None, call: Call) -> None:
        """What a call cost takes the place of what was held; without the ledger that stays held, which overspends nothing."""

        def work(ledger: Ledger) -> object:
            return ledger.settle(reservation, usd)

        try:
            if self._ledger is not None and not self._turn.locked():
                work(self._ledger)
                return
        except LedgerGone as gone:
            if not gone.busy:
                call.degraded.append(_LEDGER)
                return
        self._try_later(work)

    def used(self, charges: Iterable[Charge]) -> dict[str, float]:
        """Share of each budget that is spent or reserved in its window, by scope; nothing while the ledger cannot be read."""
        if self._ledger is None or self._turn.locked():
            return {}
        now = self._now()
        try:
            return {
                charge.scope: self._ledger.spent(charge.scope, charge.window_seconds, now=now) / charge.budget
                for charge in charges
                if charge.budget
            }
        except LedgerGone:
            return {}

    async def close(self) -> None:
        """Waits a little for what is still to be settled; the rest stays held."""
        if self._settling:
            await asyncio.wait(self._settling, timeout=_BUSY_SECONDS)
        for task in self._settling:
            task.cancel()
        if self._ledger is not None:
            self._ledger.close()

    async def _run(self, work: Callable[[Ledger], _T], seconds: float) -> _T:
        """One transaction, within so many seconds while another process has the file. Raises LedgerGone and what it raises."""
        ledger = self._ledger
        if ledger is None:
            raise LedgerGone("the ledger could not be opened")
        if not self._turn.locked():
            try:
                return work(ledger)
            except LedgerGone as gone:
                if not gone.busy:
                    raise
        end = time.monotonic() + seconds
        while True:
            async with self._turn:  # given back after each try: whoever has more patience holds up nobody with less
                try:
                    return work(ledger)
                except LedgerGone as gone:
                    if not gone.busy or time.monotonic() >= end:
                        raise
                await asyncio.sleep(_POLL_SECONDS)

    def _try_later(self, work: Callable[[Ledger], object]) -> None:
        task = asyncio.create_task(self._quietly(work))
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)

    async def _quietly(self, work: Callable[[Ledger], object]) -> None:
        try:
            await self._run(work, _LATER_SECONDS)
        except LedgerGone:
            return


@dataclass(slots=True)
class Hold:
    """What one call has reserved: its worst case, and once more for each request that follows one of unknown cost."""

    purse: Purse
    call: Call
    caller: Caller
    usd: Usd
    held: list[Reservation] = field(default_factory=list)

    async def again(self) -> bool:
        """Holds the worst case once more; False where there is no room for it, and nothing more may be sent."""
        if not self.held:  # no budget applies, or the call goes on without the ledger
            return True
        try:
            await self.purse.reserve(self)
        except (BudgetReached, LedgerGone):
            return False
        return True

    def settle(self) -> None:
        """Requests whose cost nobody knows stay charged at what was held for them; the rest becomes what the call cost."""
        for number, reservation in enumerate(self.held):
            unknown = number < self.call.lost
            self.purse.settle(reservation, None if unknown else Usd(min(self.call.usd, _MOST_USD)), self.call)


async def worst_case(wanted: list[Wanted], caller: Caller) -> tuple[list[Wanted], float]:
    """The providers that may be asked, and the most that the dearest of them can cost.

    Without a budget all of them at 0. Raises PriceUnknown when the first one's price is not known; a fallback is left out.
    """
    if not caller.charges:
        return wanted, 0.0
    size, tokens = len(wanted[0].body), await input_bound(wanted[0].body)
    dearest: list[tuple[Wanted, float]] = []
    for want in wanted:  # the same texts in other words: a byte more is at most a token more
        usd = want.live.worst_cost(input=tokens + max(0, len(want.body) - size), output=want.output)
        if usd is not None:
            dearest.append((want, usd))
        elif not dearest:
            model = f"{want.live.name}/{want.live.provider.model}"
            raise PriceUnknown(f"a budget applies and the price of {model} is not known", mend="give its rates in prices")
    return [want for want, _ in dearest], max(usd for _, usd in dearest)


async def input_bound(body: bytes) -> int:
    """More tokens than the texts of a request have: its JSON is counted too. A long one in pieces, between other calls."""
    if len(body) <= _AT_ONCE:
        return _with_margin(count_tokens(body.decode("utf-8", "replace")))
    total = 0
    for at in range(0, len(body), _SLICE):
        total += count_tokens(body[at : at + _SLICE].decode("utf-8", "replace"))
        await asyncio.sleep(0)
    return _with_margin(total)


def _with_margin(tokens: int) -> int:
    return int(tokens * _MARGIN) + 8


def _spent(reached: BudgetReached, now: float) -> BudgetSpent:
    until = datetime.fromtimestamp(reached.resets, UTC).strftime("%Y-%m-%d %H:%M UTC")
    whose = "the gateway" if reached.scope == "gateway" else f"the {reached.scope.replace('/', ' ')}"
    what = f"the budget of {whose} is {reached.budget:g} usd: {reached.what}"
    return BudgetSpent(what, mend=f"it begins anew at {until}", after=max(1.0, reached.resets - now))

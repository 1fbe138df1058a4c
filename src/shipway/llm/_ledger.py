"""Money before it is spent: reserve before a call, settle after it, each in one transaction of one SQLite file.

A reservation that is never settled (its process was killed) stays charged at what was reserved: nobody knows what that call
cost, and a budget that forgets is none. `standing` shows how much of it there is. The clock is the caller's.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil, isfinite
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from shipway.kernel.errors import ShipwayError
from shipway.llm._ledger_tables import connect
from shipway.llm._types import Usd

LEASE_SECONDS = 900.0  # no call takes this long; an older reservation has lost its process
_NANO = 1_000_000_000  # sums are whole billionths of a dollar: a cheap token costs dozens of them, and integers do not drift
_MOST = 1e9  # dollars; SQLite's integers hold nine times this


class BudgetReached(ShipwayError):
    """A reservation would go over a budget; nothing was reserved. resets: when its window ends, seconds of the epoch."""

    code = "llm.budget-reached"

    def __init__(self, scope: str, *, budget: Usd, spent: Usd, asked: Usd, resets: float) -> None:
        what = f"{spent:.6g} of {budget:.6g} usd are spent or reserved, and this call may cost {asked:.3g}"
        super().__init__(what, where=scope, mend="wait for the next window, or raise the budget")
        self.scope, self.budget, self.spent, self.asked, self.resets = scope, budget, spent, asked, resets


class LedgerGone(ShipwayError):
    """The ledger's file cannot be read or written, or is not the one that was opened. Nothing may be taken for paid.

    busy: only because another process holds it now.
    """

    code = "llm.ledger-gone"
    retry = True

    def __init__(self, what: str, *, where: str | None = None, mend: str | None = None, busy: bool = False) -> None:
        super().__init__(what, where=where, mend=mend)
        self.busy = busy


@dataclass(frozen=True, slots=True)
class Charge:
    """One budget that a call counts against. budget: None counts without a limit. window_seconds: fixed windows that begin
    at multiples of it since 1970-01-01 UTC: a day is a UTC day, 30 days are not a month of the calendar.
    """

    scope: str
    budget: Usd | None
    window_seconds: int


@dataclass(frozen=True, slots=True)
class Reservation:
    """What was reserved, and in which windows (scope, seconds, number of the window)."""

    id: int
    usd: Usd
    windows: tuple[tuple[str, int, int], ...]


class Standing(NamedTuple):
    """A scope in one window. spent: all that counts; reserved: of it, not yet settled; lost: of that, older than a lease."""

    spent: Usd
    reserved: Usd
    lost: Usd


class Ledger:
    """The ledger at a path, made if there is none. Threads share it; other processes open their own on the same path.

    busy_seconds: how long a method waits for another process; opening waits for two seconds at least. Every method raises
    LedgerGone.
    """

    def __init__(self, path: Path, *, busy_seconds: float = 2.0) -> None:
        self._path, self._lock = path, threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = connect(path, busy_seconds=busy_seconds)
            self._file = _identity(path)
        except (sqlite3.Error, OSError) as problem:
            raise LedgerGone(f"the ledger cannot be opened: {problem}", where=str(path)) from problem

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def reserve(self, charges: Sequence[Charge], usd: Usd, *, now: float) -> Reservation:
        """Count usd against all charges or none. now: seconds of the epoch. Raises BudgetReached for the first that is full."""
        nano = _whole(usd)
        windows = tuple((charge.scope, charge.window_seconds, int(now // charge.window_seconds)) for charge in charges)
        number = int.from_bytes(os.urandom(7), "big")  # never given twice, so that settling twice cannot hit another's
        with self._transaction() as run:
            for charge, window in zip(charges, windows, strict=True):
                self._check(run, charge, window, nano)
            self._add(run, windows, nano)
            run.execute("INSERT INTO reservation VALUES (?, ?, ?, ?)", (number, now, nano, json.dumps(windows)))
        return Reservation(number, usd, windows)

    def settle(self, reservation: Reservation, usd: Usd | None) -> bool:
        """Replace what was reserved by what the call cost, 0 when it was never made; None, the cost is unknown: it stays at
        what was reserved. Returns False, and changes nothing, when it was settled before.
        """
        with self._transaction() as run:
            row = run.execute("DELETE FROM reservation WHERE id = ? RETURNING nano", (reservation.id,)).fetchone()
            if row is not None and usd is not None:
                self._add(run, reservation.windows, _whole(usd) - row[0])
            return row is not None

    def spent(self, scope: str, window_seconds: int, *, now: float) -> Usd:
        """Dollars that count in the window of now, reservations included."""
        with self._transaction() as run:
            return Usd(_total(run, (scope, window_seconds, int(now // window_seconds))) / _NANO)

    def standing(self, scope: str, window_seconds: int, *, now: float) -> Standing:
        """As spent, with how much of it is reserved and how much of that was lost by a process that ended."""
        window = (scope, window_seconds, int(now // window_seconds))
        with self._transaction() as run:
            total = _total(run, window)
            rows = run.execute("SELECT at, nano, charges FROM reservation").fetchall()
        mine = [(at, nano) for at, nano, charges in rows if list(window) in json.loads(charges)]
        lost = sum(nano for at, nano in mine if at + LEASE_SECONDS < now)
        return Standing(Usd(total / _NANO), Usd(sum(nano for _, nano in mine) / _NANO), Usd(lost / _NANO))

    def forget(self, *, before: float) -> None:
        """Drop windows that ended before this time, and reservations that old."""
        with self._transaction() as run:
            run.execute("DELETE FROM total WHERE (bucket + 1) * seconds <= ?", (before,))
            run.execute("DELETE FROM reservation WHERE at < ?", (before,))

    def _check(self, run: sqlite3.Connection, charge: Charge, window: tuple[str, int, int], nano: int) -> None:
        if charge.budget is None:
            return
        total = _total(run, window)
        if total + nano > int(charge.budget * _NANO):
            resets = float((window[2] + 1) * charge.window_seconds)
            spent, asked = Usd(total / _NANO), Usd(nano / _NANO)
            raise BudgetReached(charge.scope, budget=charge.budget, spent=spent, asked=asked, resets=resets)

    def _add(self, run: sqlite3.Connection, windows: Sequence[tuple[str, int, int]], nano: int) -> None:
        run.executemany(
            "INSERT INTO total VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET nano = nano + excluded.nano",
            [(*window, nano) for window in windows],
        )

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """The write lock of the file from begin to commit; whatever goes wrong inside is rolled back."""
        with self._lock:
            try:
                if _identity(self._path) != self._file:  # SQLite would go on in a file that nobody can see any more
                    raise LedgerGone("the ledger's file was replaced", where=str(self._path), mend="start the gateway again")
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
                self._connection.execute("COMMIT")
            except (sqlite3.Error, OSError) as problem:
                self._roll_back()
                busy = getattr(problem, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
                raise LedgerGone(f"the ledger cannot be used: {problem}", where=str(self._path), busy=busy) from problem
            except BaseException:
                self._roll_back()
                raise

    def _roll_back(self) -> None:
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error:
            return  # the error that led here says more


def _identity(path: Path) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_dev, found.st_ino


def _total(run: sqlite3.Connection, window: tuple[str, int, int]) -> int:
    row = run.execute("SELECT nano FROM total WHERE scope = ? AND seconds = ? AND bucket = ?", window).fetchone()
    return int(row[0]) if row else 0


def _whole(usd: Usd) -> int:
    """Billionths of a dollar, rounded up: a budget is never missed by rounding."""
    if not isfinite(usd) or usd < 0 or usd > _MOST:
        raise ValueError(f"{usd} is no amount of dollars")
    return ceil(round(usd * _NANO, 3))

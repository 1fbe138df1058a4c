"""A process of the ledger's tests: `python llm_spender.py LEDGER BUDGET ROUNDS`: reserves a cent at a time and settles half.

Says what it knows on stdout, one line a step, before and after each: `reserve`, `reserved`, `settled`, `full`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from shipway.llm import BudgetReached, Charge, Ledger, Usd

NOW = 1_800_000_000.0
CENT = Usd(0.01)
DAY = 86400


def main(path: str, budget: str, rounds: str) -> None:
    charges = (Charge("global", Usd(float(budget)), DAY), Charge("key/team", None, DAY))
    with Ledger(Path(path), busy_seconds=30.0) as ledger:
        for _ in range(int(rounds)):
            say("reserve")
            try:
                held = ledger.reserve(charges, CENT, now=NOW)
            except BudgetReached:
                say("full")
                return
            say("reserved")
            ledger.settle(held, Usd(CENT / 2))
            say("settled")


def say(word: str) -> None:
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])

"""What a monitor says, by how loud it is: one tone for each severity of what fails, of one colour in every picture and table.

A tone is the class of a cell or a word in `page.css`: `pass`, `inconclusive`, and of what fails `fail` where it pages,
`ticket` where it opens one, `informs` where nobody is called. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable

from shipway.kernel.check import Verdict
from shipway.monitor import Severity

TONES = ("fail", "ticket", "informs", "inconclusive", "pass")  # the loudest first
_FAILING = {Severity.PAGE: "fail", Severity.TICKET: "ticket"}


def tone_of(verdict: Verdict, severity: Severity) -> str:
    """One of TONES.

    >>> tone_of(Verdict.FAIL, Severity.INFORM), tone_of(Verdict.PASS, Severity.PAGE)
    ('informs', 'pass')
    """
    return _FAILING.get(severity, "informs") if verdict is Verdict.FAIL else verdict.value


def said_word(tone: str) -> str:
    """What a tone is called: the verdict, but of what only informs that it does.

    >>> said_word("ticket"), said_word("informs"), said_word("pass")
    ('fail', 'informs', 'pass')
    """
    return "fail" if tone == "ticket" else tone


def loudest(tones: Iterable[str]) -> str:
    """The one that counts where several were said.

    >>> loudest(["pass", "informs", "inconclusive"])
    'informs'
    """
    return min(tones, key=TONES.index)

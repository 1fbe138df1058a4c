"""Rejection: a person's signed word that something must not move, which that person alone takes back, by approving it."""

from __future__ import annotations

from collections.abc import Iterable

from shipway.gate._evidence import Statement, shown
from shipway.kernel import media
from shipway.kernel.clock import instant
from shipway.kernel.digest import short

_WORDS = (media.REJECTION_PREDICATE, media.APPROVAL_PREDICATE)


def rejections(statements: Iterable[Statement]) -> list[Statement]:
    """The rejections among statements about one digest that stand: of whom the newest word is one, oldest first.

    A person is whom the trust file says that a key is of, whatever name a statement gives; of two words at one instant the
    rejecting one.
    """
    newest: dict[str, Statement] = {}
    words = [one for one in statements if one.predicate_type in _WORDS]
    for one in sorted(words, key=lambda one: (one.at, one.predicate_type == media.REJECTION_PREDICATE)):
        newest[one.key.name] = one
    return sorted((one for one in newest.values() if one.predicate_type == media.REJECTION_PREDICATE), key=lambda one: one.at)


def rejected_by(called: str, statement: Statement) -> str:
    """What was rejected, called so, by whom, when and why."""
    who, why = (shown(statement.predicate.get(key)) for key in ("by", "why"))
    return f"{called} {short(statement.subject)} by {who} at {instant(statement.at)[:16]}Z ({why})"

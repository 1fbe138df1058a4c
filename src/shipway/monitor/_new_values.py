"""Values that the reference has not, told: which came and how often. Pure."""

from __future__ import annotations

from shipway.data import CategoryProfile, Profile
from shipway.kernel.canonical import JsonObject

_TOLD, _LONGEST = 3, 40  # values in a sentence, and characters of each


def new_values_words(profile: Profile, name: str) -> str:
    """The commonest new values of a column as one phrase, empty where there are none or none is known.

    A value is what somebody sent: control characters are shown as escapes, long ones cut.
    """
    column = profile.columns.get(name)
    if not isinstance(column, CategoryProfile) or not column.unseen or not column.new.counts:
        return ""
    most = sorted(column.new.counts.items(), key=lambda item: (-item[1], item[0]))[:_TOLD]
    least = "at least " if column.new.short else ""
    named = ", ".join(f"{_shown(word)} {least}{rows:,}" for word, rows in most)
    more = " and others" if sum(rows for _, rows in most) < column.unseen else ""
    share = column.unseen / max(1, column.n - column.nulls)
    return f"new values in {share:.1%} of the rows: {named}{more}"


def new_values_json(profile: Profile, name: str) -> JsonObject:
    """unseen: rows with a new value; new_values: how many each of the commonest has, too low by `short` at most."""
    column = profile.columns.get(name)
    if not isinstance(column, CategoryProfile) or column.unseen is None:
        return {}
    most = sorted(column.new.counts.items(), key=lambda item: (-item[1], item[0]))[:20]
    return {"unseen": column.unseen, "new_values": dict(most), "short": column.new.short}


def _shown(word: str) -> str:
    """A value as a person may see it in a terminal or a message.

    >>> _shown("UA"), _shown("\\x1b[2J")
    ("'UA'", "'\\\\x1b[2J'")
    """
    return repr(word if len(word) <= _LONGEST else f"{word[:_LONGEST]}…")

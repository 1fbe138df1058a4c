"""What a golden row may ask of an answer's text: a handful of comparisons, each with its `not-` form."""

from __future__ import annotations

import re
from dataclasses import dataclass

from shipway.kernel.canonical import JsonObject

KINDS = ("contains", "equals", "icontains", "regex", "starts-with")
TYPES = (*KINDS, *(f"not-{kind}" for kind in KINDS))
PATTERN_LENGTH = 200
SEARCHED = 20_000  # characters of an answer that a pattern is searched in


@dataclass(frozen=True, slots=True)
class Assertion:
    """One line of `expect`. type: one of TYPES; value: text, or a pattern of Python's `re` for `regex`.

    >>> Assertion("icontains", "paris").holds("It is Paris."), Assertion("not-regex", "[0-9]").holds("none")
    (True, True)
    """

    type: str
    value: str

    def holds(self, text: str) -> bool:
        negated = self.type.startswith("not-")
        return _meets(self.type.removeprefix("not-"), self.value, text) is not negated

    def to_json(self) -> JsonObject:
        return {"type": self.type, "value": self.value}


def pattern_fault(pattern: str) -> str | None:
    """Why a pattern is refused, or None.

    `re` has no time limit, so what can take exponential time is refused when the file is read: a repeated group that itself
    repeats or chooses, and back references. What is left is at worst polynomial in SEARCHED characters.
    >>> pattern_fault("(a+)+$"), pattern_fault("v[0-9]+[.][0-9]+")
    ('a repeated group repeats or chooses inside, which can take for ever', None)
    """
    if len(pattern) > PATTERN_LENGTH:
        return f"the pattern has {len(pattern)} characters, and {PATTERN_LENGTH} are allowed"
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as problem:
        return f"not a pattern: {problem}"
    if re.search(r"\\[1-9]|\(\?P=|\(\?\(", pattern):
        return "the pattern refers back to a group, which can take for ever"
    return "a repeated group repeats or chooses inside, which can take for ever" if _nests(pattern) else None


def _meets(kind: str, value: str, text: str) -> bool:
    if kind == "regex":
        return re.search(value, text[:SEARCHED]) is not None
    if kind == "icontains":
        return value.casefold() in text.casefold()
    if kind == "starts-with":
        return text.lstrip().startswith(value)
    return value in text if kind == "contains" else text.strip() == value.strip()


_TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|[*+?]|\{\d*,?\d*\}|[()|]|.", re.DOTALL)


def _nests(pattern: str) -> bool:
    """Whether a group that repeats has a repetition or a choice inside."""
    inside = [False]  # for each open group: whether it holds a repetition or a choice
    closed = False  # whether the token before was a group that does
    for token in _TOKEN.findall(pattern):
        many = token in "*+" or (token[0] == "{" and len(token) > 1 and token not in ("{1}", "{0,1}", "{0}"))
        if many and closed:
            return True
        closed = token == ")" and len(inside) > 1 and inside.pop()
        if closed or many or token == "|":
            inside[-1] = True
        if token == "(":
            inside.append(False)
    return False

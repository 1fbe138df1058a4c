"""The expressions that our files have, read as Argo's own language reads them: `depends`, and `{{=...}}` tags in `when`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

Value = bool | float | str
_TOKEN = re.compile(
    r"""\s*(?:(?P<op>&&|\|\||[!=<>]=|[!<>()])|(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w-])"""
    r"""|(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
    r"""|(?P<path>[A-Za-z_][\w-]*(?:\['[^']*'\]|\.[A-Za-z_][\w-]*)*))"""
)
KEYWORDS = {"and", "or", "not", "in", "contains", "matches", "let", "if", "else", "true", "false", "nil"}


class NoExpression(Exception):
    """What Argo would not read either."""


@dataclass(frozen=True)
class Expression:
    """A tree: ("&&", left, right), ("!", part), ("asFloat", part), ("path", name), ("value", literal)."""

    tree: tuple[object, ...]

    def paths(self) -> Iterator[str]:
        """The names that it looks at."""
        yield from _paths(self.tree)

    def value(self, look: Callable[[str], Value]) -> Value:
        """Its value, evaluated from left to right and no further than needed."""
        return _value(self.tree, look)


def parse(text: str) -> Expression:
    tokens: list[tuple[str, str]] = []
    place = 0
    while text[place:].strip():
        match = _TOKEN.match(text, place)
        if match is None:
            raise NoExpression(f"{text!r} at {place}")
        assert match.lastgroup
        tokens.append((match.lastgroup, match[match.lastgroup]))
        place = match.end()
    tokens.append(("end", ""))
    reader = _Reader(tokens)
    tree = reader.any()
    reader.take("end")
    return Expression(tree)


class _Reader:
    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens

    def take(self, kind: str, text: str | None = None) -> str:
        found, value = self._tokens.pop(0)
        if found != kind or (text is not None and value != text):
            raise NoExpression(f"{value!r} where {text or kind} belongs")
        return value

    def _next(self, *texts: str) -> str | None:
        kind, value = self._tokens[0]
        return self.take("op") if kind == "op" and value in texts else None

    def any(self) -> tuple[object, ...]:
        tree = self._all()
        while self._next("||"):
            tree = ("||", tree, self._all())
        return tree

    def _all(self) -> tuple[object, ...]:
        tree = self._compared()
        while self._next("&&"):
            tree = ("&&", tree, self._compared())
        return tree

    def _compared(self) -> tuple[object, ...]:
        left = self._one()
        operator = self._next("==", "!=", "<", "<=", ">", ">=")
        return (operator, left, self._one()) if operator else left

    def _one(self) -> tuple[object, ...]:
        kind, value = self._tokens[0]
        if self._next("!"):
            return ("!", self._one())
        if self._next("("):
            tree = self.any()
            self.take("op", ")")
            return tree
        self._tokens.pop(0)
        if kind == "number":
            return ("value", float(value))
        if kind == "text":
            return ("value", json.loads(value) if value[0] == '"' else value[1:-1])
        if kind == "path" and value == "asFloat":
            self.take("op", "(")
            inner = self.any()
            self.take("op", ")")
            return ("asFloat", inner)
        if kind != "path" or re.split(r"[.\[]", value)[0] in KEYWORDS:
            raise NoExpression(f"{value!r} where a value belongs")
        return ("path", value)


def _paths(tree: tuple[object, ...]) -> Iterator[str]:
    if tree[0] == "path":
        yield str(tree[1])
    for part in tree[1:]:
        if isinstance(part, tuple):
            yield from _paths(part)


def _value(tree: tuple[object, ...], look: Callable[[str], Value]) -> Value:
    head, *parts = tree
    if head == "value":
        assert isinstance(parts[0], str | float | bool)
        return parts[0]
    if head == "path":
        return look(str(parts[0]))
    first = parts[0]
    assert isinstance(first, tuple)
    left = _value(first, look)
    if head in ("asFloat", "!"):
        return float(left) if head == "asFloat" else not left
    if head in ("&&", "||") and bool(left) == (head == "||"):
        return left
    second = parts[1]
    assert isinstance(second, tuple)
    right = _value(second, look)
    return right if head in ("&&", "||") else _compared(str(head), left, right)


def _compared(operator: str, left: Value, right: Value) -> bool:
    if type(left) is not type(right):
        raise NoExpression(f"{left!r} {operator} {right!r}")  # Argo's language has no order of two kinds
    if operator in ("==", "!="):
        return (left == right) == (operator == "==")
    if isinstance(left, str) and isinstance(right, str):
        return {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[operator]
    assert isinstance(left, float)
    assert isinstance(right, float)
    return {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[operator]

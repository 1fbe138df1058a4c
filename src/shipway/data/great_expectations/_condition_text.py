"""A row condition that is a text: of pandas' queries, and of `col("a") > 1`, what compares columns; nothing of it is run."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Mapping
from functools import reduce
from itertools import pairwise
from typing import cast

import polars as pl

from shipway.data.great_expectations._asked import Ask
from shipway.data.great_expectations._compare import compare, compare_columns
from shipway.kernel.canonical import Json

_LONGEST = 10_000
_DEEPEST = 50
_WORDS: Mapping[type[ast.cmpop], str] = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.In: "IN", ast.NotIn: "NOT_IN",
}  # fmt: skip
_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_NULLITY = {"isnull": True, "isna": True, "notnull": False, "notna": False, "notNull": False}


def read_condition_text(ask: Ask, text: str) -> pl.Expr:
    """The rows that it is true of: comparisons, `and`, `or`, `not`, `in`, and whether there is a value.

    `&` and `|` bind as `and` and `or` do, as in pandas. Raises SuiteUnsupported for all else.
    """
    if len(text) > _LONGEST:
        ask.malformed("a row_condition is longer than 10,000 characters")
    names: dict[str, str] = {}
    plain = re.sub(
        r"`([^`]+)`", lambda match: names.setdefault(f"_quoted_{len(names)}", match[1]) and f"_quoted_{len(names) - 1}", text
    )
    try:
        tree = ast.parse(_with_words(plain).strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError, tokenize.TokenError):
        return _unknown(ask, text)
    return _Reader(ask, text, names).mask(tree, 0)


def _with_words(text: str) -> str:
    """`&` and `|` as words, outside of texts."""
    words = {"&": "and", "|": "or"}
    found = tokenize.generate_tokens(io.StringIO(text).readline)
    return tokenize.untokenize(
        (tokenize.NAME, words[one.string]) if one.type == tokenize.OP and one.string in words else (one.type, one.string)
        for one in found
    )


def _unknown(ask: Ask, text: str) -> pl.Expr:
    return ask.unsupported(f"with the row_condition {text[:200]!r}")


class _Reader:
    """names: of columns that stood in backticks."""

    def __init__(self, ask: Ask, text: str, names: Mapping[str, str]) -> None:
        self.ask, self.text, self.names = ask, text, names

    def mask(self, node: ast.expr, depth: int) -> pl.Expr:
        if depth > _DEEPEST:
            return _unknown(self.ask, self.text)
        if isinstance(node, ast.BoolOp):
            parts = [self.mask(part, depth + 1) for part in node.values]
            return reduce(lambda one, other: one & other if isinstance(node.op, ast.And) else one | other, parts)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.Invert):
            return ~self.mask(node.operand, depth + 1)
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            words = [_WORDS.get(type(op)) for op in node.ops]
            return reduce(
                lambda one, other: one & other,
                [self.compared(one, word, other) for word, (one, other) in zip(words, pairwise(sides), strict=True)],
            )
        return self.called(node)

    def called(self, node: ast.expr) -> pl.Expr:
        """`a.isnull()` and its like, or a column of true and false alone."""
        name = self.column(node)
        if name is not None and self.ask.column(name)[1] == pl.Boolean:
            return pl.col(name).fill_null(value=False)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and not node.keywords:
            name, word = self.column(node.func.value), node.func.attr
            if name is not None and word in _NULLITY and not node.args:
                null = self.ask.column(name)[0].is_null()
                return null if _NULLITY[word] else ~null
            if name is not None and word == "isin" and len(node.args) == 1:
                return compare(self.ask, name, "IN", self.literals(node.args[0]))
        return _unknown(self.ask, self.text)

    def compared(self, one: ast.expr, word: str | None, other: ast.expr) -> pl.Expr:
        left, right = self.column(one), self.column(other)
        if word is None or (left is None and right is None):
            return _unknown(self.ask, self.text)
        if left is not None and right is not None:
            return compare_columns(self.ask, left, word, right) if "IN" not in word else _unknown(self.ask, self.text)
        if left is None:
            one, other, word = other, one, _TURNED.get(word, word)
            left = cast("str", right)
        if isinstance(other, ast.List | ast.Tuple | ast.Set):
            word = {"==": "IN", "!=": "NOT_IN"}.get(word, word)
            return compare(self.ask, left, word, self.literals(other)) if "IN" in word else _unknown(self.ask, self.text)
        return compare(self.ask, left, word, self.literal(other)) if "IN" not in word else _unknown(self.ask, self.text)

    def column(self, node: ast.expr) -> str | None:
        if isinstance(node, ast.Name):
            return self.names.get(node.id, node.id)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "col" and len(node.args) == 1:
            value = node.args[0]
            return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else None
        return None

    def literals(self, node: ast.expr) -> list[Json]:
        if not isinstance(node, ast.List | ast.Tuple | ast.Set):
            _unknown(self.ask, self.text)
        return [self.literal(one) for one in cast("ast.List", node).elts]

    def literal(self, node: ast.expr) -> Json:
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
            value = node.operand.value
            if type(value) in (int, float):
                return -cast("float", value)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "date" and len(node.args) == 1:
            return self.literal(node.args[0])
        if isinstance(node, ast.Constant) and isinstance(node.value, str | int | float):
            return node.value
        _unknown(self.ask, self.text)
        return None

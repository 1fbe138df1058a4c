"""The parameters of a suite, `{"$PARAMETER": "low * 0.9"}`: their values come from whoever asks, or from a suite of before 1.0.

Of Great Expectations' own language: numbers, names, `+ - * / ^`, brackets and a few functions. What asks its store or the clock
is refused by name.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import NoReturn, cast

from shipway.data._errors import SuiteMalformed, SuiteUnsupported
from shipway.kernel.canonical import Json

_LONGEST = 1000
_DEEPEST = 50
_OPERATORS: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: lambda base, power: base**power if power in range(65) and abs(base) <= 2**53 else math.pow(base, power),
}
_FUNCTIONS: Mapping[str, Callable[[float], float]] = {
    "abs": abs,
    "round": round,
    "trunc": int,
    "exp": math.exp,
    "sin": math.sin,
    "cos": math.cos,
    "tan": math.tan,
    "sgn": lambda value: (value > 1e-12) - (value < -1e-12),
}


def fill_parameters(value: Json, given: Mapping[str, Json], *, where: str) -> Json:
    """A value of kwargs with its parameters in place. Raises SuiteUnsupported for one that nobody gave."""
    if isinstance(value, Mapping):
        if "$PARAMETER" in value:
            return _evaluate(value["$PARAMETER"], given, where)
        return {name: fill_parameters(one, given, where=where) for name, one in value.items()}
    if isinstance(value, list):
        return [fill_parameters(one, given, where=where) for one in value]
    return value


def _evaluate(text: Json, given: Mapping[str, Json], where: str) -> Json:
    if not isinstance(text, str) or len(text) > _LONGEST:
        raise SuiteMalformed("a $PARAMETER is a text of at most 1000 characters", where=where)
    if text in given:
        return given[text]
    try:
        if "**" in text:
            raise ValueError("a power is ^")
        python = text.strip().replace("^", "**")
        return _number(ast.parse(python, mode="eval").body, python, given, where, 0)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as problem:
        raise SuiteMalformed(f"the $PARAMETER {text[:80]!r} is no expression: {problem}", where=where) from problem
    except (ArithmeticError, TypeError) as problem:
        raise SuiteMalformed(f"the $PARAMETER {text[:80]!r} has no value: {problem}", where=where) from problem


def _number(node: ast.expr, text: str, given: Mapping[str, Json], where: str, depth: int) -> float:
    if depth > _DEEPEST:
        raise ValueError("it is too deep")
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return cast("float", node.value)
    if isinstance(node, ast.Name):
        return _given(node.id, text, given, where)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        return _signed(node, text, given, where, depth)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        sides = [_number(side, text, given, where, depth + 1) for side in (node.left, node.right)]
        return _OPERATORS[type(node.op)](*sides)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _FUNCTIONS and len(node.args) == 1:
        return _FUNCTIONS[node.func.id](_number(node.args[0], text, given, where, depth + 1))
    return _unknown(text, where)


def _signed(node: ast.UnaryOp, text: str, given: Mapping[str, Json], where: str, depth: int) -> float:
    """A sign belongs to what follows it, before any power: there `-a^2` is `(-a)^2`, and `-(a^2)` its negative."""
    start, sign, inner = node.col_offset, 1, cast("ast.expr", node)
    while isinstance(inner, ast.UnaryOp) and isinstance(inner.op, ast.USub | ast.UAdd):
        sign *= -1 if isinstance(inner.op, ast.USub) else 1
        inner = inner.operand
    if isinstance(inner, ast.BinOp) and isinstance(inner.op, ast.Pow) and "(" not in text[start : inner.col_offset]:
        base, power = (_number(side, text, given, where, depth + 1) for side in (inner.left, inner.right))
        return _OPERATORS[ast.Pow](sign * base, power)
    return sign * _number(inner, text, given, where, depth + 1)


def _given(name: str, text: str, given: Mapping[str, Json], where: str) -> float:
    text = text.replace("**", "^")
    if name in ("PI", "E") and name not in given:
        return math.pi if name == "PI" else math.e
    value = given.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        what = (
            f"asks for the parameter {name}" if name not in given else f"computes with the parameter {name}, which is no number"
        )
        raise SuiteUnsupported(f"the $PARAMETER {text[:80]!r} {what}", where=where, mend=f"--parameter {name}=VALUE")
    return value


def _unknown(text: str, where: str) -> NoReturn:
    text = text.replace("**", "^")
    mend = "--engine gx, or write the value into the suite"
    raise SuiteUnsupported(f"the $PARAMETER {text[:80]!r} is computed by Great Expectations only", where=where, mend=mend)

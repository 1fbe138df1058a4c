"""The graph of a program: that it calls only what it may, with what came before, and that its sizes are plain arithmetic."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from shipway.models._model import ModelUnknown, ModelUntrusted
from shipway.models._program_ops import is_allowed

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,250}", re.ASCII)
_SYMBOL = re.compile(r"Symbol\('[a-z]+\d*'(, (positive|nonnegative|integer)=True)*\)", re.ASCII)
_WORDS = frozenset(
    """
    Symbol Integer Rational Add Mul Pow Max Min Mod PythonMod FloorDiv CeilDiv CleanDiv ModularIndexing Eq Ne Lt Le Gt Ge And Or
    Not oo int_oo
    """.split()  # noqa: SIM905  as in a table
)
_PLAIN = re.compile(r"[A-Za-z0-9_+\-*/<>=&|~ ,()]*", re.ASCII)
_ARGUMENTS = frozenset(
    """
    as_none as_tensor as_tensors as_int as_ints as_float as_floats as_string as_sym_int as_sym_ints as_scalar_type
    as_memory_format as_layout as_device as_bool as_bools as_optional_tensors as_optional_tensor as_sym_bool as_sym_float
    """.split()  # noqa: SIM905  as in a table
)


def check_nodes(graph: Mapping[str, Any], known: Sequence[str]) -> None:
    """Every node calls what it may, with what came before it."""
    if [name_of(one["as_tensor"]["name"]) for one in graph["inputs"]] != list(known):
        raise ValueError("the graph has other inputs than the signature")
    names = set(known)
    for node in graph["nodes"]:
        if not is_allowed(target := node["target"]):
            mend = "export a forward of tensor operations, no_grad left out; or run it in a class of yours, class: MODULE.CLASS"
            raise ModelUntrusted(f"the program calls {target!s:.80}, no operator that is trusted", mend=mend)
        for given in node["inputs"]:
            name_of(given["name"])
            ((form, value),) = given["arg"].items()
            if form not in _ARGUMENTS:
                raise ModelUnknown(f"the program gives {target} an argument that this version does not read: {form!s:.40}")
            if odd := next((name for name in used(form, value) if name not in names), None):
                raise ValueError(f"{odd!r:.40} is not known where it is used")
        for output in node["outputs"]:
            made = [name_of(name) for name in chain.from_iterable(used(form, value) for form, value in output.items())]
            if names & set(made) or len(set(made)) != len(made):
                raise ValueError(f"{made[0]!r:.40} comes twice")
            names.update(made)
    if odd := next((name for one in graph["outputs"] for name in used(*next(iter(one.items()))) if name not in names), None):
        raise ValueError(f"{odd!r:.40} is not known where it is returned")


def used(form: str, value: Any) -> Iterator[str]:
    """The names of other values in an argument."""
    if form == "as_tensor":
        yield value["name"]
    elif form == "as_tensors":
        yield from (one["name"] for one in value)
    elif form in ("as_sym_int", "as_sym_bool", "as_sym_float"):
        yield from used("as_sym_ints", [value])
    elif form == "as_sym_ints":
        yield from (one["as_name"] for one in value if "as_name" in one)
    elif form == "as_optional_tensor":
        yield from used(*next(iter(value.items())))
    elif form == "as_optional_tensors":
        for one in value:
            yield from used(*next(iter(one.items())))


def check_expressions(record: Any) -> None:
    """Sizes may be expressions, which torch evaluates as Python (we never do): only arithmetic of symbols is kept."""
    waiting = [record]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting.extend(one)
        elif isinstance(one, dict):
            waiting.extend(one.values())
            if "expr_str" in one and not _is_plain(one["expr_str"]):
                raise ModelUntrusted(f"a size in the program is no arithmetic: {one['expr_str']!s:.80}")


def _is_plain(text: object) -> bool:
    if not isinstance(text, str) or len(text) > 1000:
        return False
    rest = _SYMBOL.sub("0", text)
    words = re.findall(r"[A-Za-z_]\w*", rest, re.ASCII)
    return (
        bool(_PLAIN.fullmatch(rest))
        and "**" not in rest
        and all(word in _WORDS or re.fullmatch(r"[su]\d+", word) for word in words)
    )


def name_of(value: object) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ValueError(f"no name: {value!r:.40}")
    return value

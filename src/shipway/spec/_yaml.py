"""YAML text to nodes: the parser's events and nothing above them, so no object is ever constructed.

Scalars are resolved by the core schema of YAML 1.2 (NO, ON and Y are text). Refused, each at its line and column:
aliases, tags, a key written twice, a second document, numbers that are not finite, depth beyond 64, more than 1 MB.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

import yaml

from shipway.spec._errors import SpecMalformed
from shipway.spec._node import Node, Scalar, shown

LIMIT = 1_000_000  # bytes; a spec is written by hand, and the largest seen have some thousand lines
_FOREIGN_LIMIT = 20_000_000  # bytes of another tool's file, which a machine may have written
_DEPTH = 64  # ten times what any section needs, far below Python's recursion limit
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # YAML 1.2, 5.1
_CONSTANTS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


def parse_yaml(text: str, *, path: str) -> Node:
    """The top mapping of a YAML text; raises SpecMalformed at `path:line:column`, counted from 1."""
    root = _compose(text, path, LIMIT)
    if root.value is None:
        raise root.fail(f"{path} is empty", mend="its first line is `project: NAME`; `shipway init` writes one")
    if not isinstance(root.value, dict):
        raise root.fail(f"{path} holds {root.shown()}, not keys and values", mend="begin with `project: NAME`")
    return root


def parse_document(text: str, *, path: str) -> Node:
    """As parse_yaml, of a file that is another tool's, at most 20 MB: nothing at all is a mapping without keys."""
    root = _compose(text, path, _FOREIGN_LIMIT)
    if root.value is None:
        return Node({}, root.where)
    if not isinstance(root.value, dict):
        raise root.fail(f"{path} holds {root.shown()}, not keys and values")
    return root


def _compose(text: str, path: str, limit: int) -> Node:
    text = text.removeprefix("\ufeff")
    _refuse_unreadable(text, path, limit)
    try:
        return _Composer(yaml.parse(text, Loader=_LOADER), path).document()
    except yaml.MarkedYAMLError as problem:
        raise _syntax_error(problem, text, path) from problem
    except (yaml.YAMLError, ValueError, OverflowError) as problem:
        raise SpecMalformed(f"not YAML: {problem}".splitlines()[0], where=path) from problem


class _Composer:
    """One pass over the events of one document."""

    def __init__(self, events: Iterator[yaml.Event], path: str) -> None:
        self.events, self.path = events, path

    def document(self) -> Node:
        next(self.events)  # the stream starts
        if isinstance(next(self.events), yaml.StreamEndEvent):
            return Node(None, f"{self.path}:1:1")
        root = self.node(next(self.events))
        next(self.events)  # the document ends
        after = next(self.events)
        if not isinstance(after, yaml.StreamEndEvent):
            raise SpecMalformed("a second YAML document", where=self.place(after), mend="one file holds one document")
        return root

    def place(self, event: yaml.Event) -> str:
        mark = event.start_mark
        return f"{self.path}:{mark.line + 1}:{mark.column + 1}" if mark else self.path

    def node(self, event: yaml.Event, depth: int = 0) -> Node:
        where = self.place(event)
        if isinstance(event, yaml.AliasEvent):
            raise SpecMalformed(f"the alias *{event.anchor}", where=where, mend="write the value out")
        if getattr(event, "tag", None):
            raise SpecMalformed("a YAML tag", where=where, mend="remove the word that begins with `!`")
        if depth > _DEPTH:
            raise SpecMalformed(f"nested deeper than {_DEPTH} levels", where=where)
        if isinstance(event, yaml.ScalarEvent):
            return _scalar(event, where)
        if isinstance(event, yaml.SequenceStartEvent):
            return Node([self.node(item, depth + 1) for item in self.until(yaml.SequenceEndEvent)], where)
        return self.mapping(where, depth)

    def mapping(self, where: str, depth: int) -> Node:
        values: dict[str, Node] = {}
        keys: dict[str, Node] = {}
        for event in self.until(yaml.MappingEndEvent):
            key = self.node(event, depth + 1)
            if isinstance(key.value, list | dict):
                raise key.fail(f"a key is a word, not {key.shown()}")
            if key.raw in keys:
                first = keys[key.raw].where.removeprefix(f"{self.path}:").partition(":")[0]
                raise key.fail(f"{shown(key.raw)} is written twice", mend=f"the first is on line {first}; keep one")
            keys[key.raw] = key
            values[key.raw] = self.node(next(self.events), depth + 1)
        return Node(values, where, keys=keys)

    def until(self, end: type[yaml.Event]) -> Iterator[yaml.Event]:
        while not isinstance(event := next(self.events), end):
            yield event


def _scalar(event: yaml.ScalarEvent, where: str) -> Node:
    text = event.value
    node = Node(text, where, raw=text)
    if bad := _UNPRINTABLE.search(text):  # written as an escape, "\ud800"
        raise node.fail(f"the character U+{ord(bad[0]):04X} is not text")
    if not event.implicit[0]:  # quoted, or a block
        return node
    return Node(_resolve(node), where, raw=text, bare=True)


def _resolve(node: Node) -> Scalar:
    """The value of a plain scalar by YAML 1.2's core schema (10.3.2)."""
    text = node.raw
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.fullmatch(text):
        if len(text) > 40:
            raise node.fail("this number is too long", mend="put it in quotes if it is a name")
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
    if _FLOAT.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    if _FLOAT.fullmatch(text) or _NOT_FINITE.fullmatch(text):
        raise node.fail(f"{shown(text)} is not a finite number", mend="put it in quotes if it is a name")
    return text


def _refuse_unreadable(text: str, path: str, limit: int) -> None:
    if len(text) > limit:
        what, mend = f"larger than {limit // 1_000_000} MB", "a spec names data, it does not hold them"
        raise SpecMalformed(what, where=path, mend=mend if limit == LIMIT else None)
    if bad := _UNPRINTABLE.search(text):
        line, column = text.count("\n", 0, bad.start()) + 1, bad.start() - text.rfind("\n", 0, bad.start())
        raise SpecMalformed(f"the character U+{ord(bad[0]):04X} is not text", where=f"{path}:{line}:{column}")


def _syntax_error(problem: yaml.MarkedYAMLError, text: str, path: str) -> SpecMalformed:
    mark = problem.problem_mark
    if mark is None:
        return SpecMalformed(f"not YAML: {problem.problem}", where=path)
    lines = text.splitlines()
    line = lines[mark.line] if mark.line < len(lines) else ""
    indent = line[: len(line) - len(line.lstrip())]
    if "\t" in indent:
        place = f"{path}:{mark.line + 1}:{indent.index(chr(9)) + 1}"
        return SpecMalformed("a tab indents this line", where=place, mend="indent with spaces; YAML takes no tabs")
    what = ", ".join(part for part in (problem.context, problem.problem) if part)
    return SpecMalformed(f"not YAML: {what}", where=f"{path}:{mark.line + 1}:{mark.column + 1}", mend=_advice(what))


def _advice(what: str) -> str:
    if "cannot start any token" in what:
        return "put the value in quotes"
    if "mapping values" in what:
        return "check the indentation, and put a value that contains `: ` in quotes"
    return "check the brackets, quotes and indentation at and above this place"

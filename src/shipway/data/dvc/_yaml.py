"""YAML as DVC reads and writes it: nothing is constructed, no aliases; written in the style of its own writer."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import yaml

from shipway.data.dvc._errors import DvcMalformed
from shipway.kernel.canonical import Json
from shipway.spec import SpecMalformed, YamlNode, parse_document

_CONFLICT = re.compile(r"^(<{7}|={7}|>{7}|\|{7})( |$)", re.MULTILINE)
_SPACED = re.compile(r"[-+]?[0-9][0-9_]{0,30}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Date(str):
    """A day as YAML has it without quotes; DVC reads it as one, and writes it back without quotes."""

    __slots__ = ()


def read_yaml(text: str, path: str) -> YamlNode:
    """The top mapping of a file. Raises DvcMalformed at `path:line:column`."""
    if found := _CONFLICT.search(text):
        line = text.count("\n", 0, found.start()) + 1
        what = f"{path} holds the markers of a merge conflict"
        raise DvcMalformed(what, where=f"{path}:{line}", mend="resolve it: git checkout --ours or --theirs, then dvc checkout")
    try:
        return parse_document(text, path=path)
    except SpecMalformed as problem:
        raise DvcMalformed(problem.what, where=problem.where, mend=problem.mend) from problem


def fail(node: YamlNode, what: str, *, mend: str | None = None) -> DvcMalformed:
    """The error that points at a node."""
    return DvcMalformed(what, where=node.where, mend=mend)


def plain(node: YamlNode) -> Json:
    """The value without its places; a day stays one, and 1_000 is a number."""
    value = node.value
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, str) and node.bare:
        if _DATE.fullmatch(value):
            return Date(value)
        if _SPACED.fullmatch(value):  # as DVC's reader, and no other of YAML 1.2, has it
            return int(value.replace("_", ""))
    return value


def render_yaml(value: Mapping[str, Json]) -> str:
    """A document in the style of DVC's own writer.

    >>> render_yaml({"outs": [{"md5": "0" * 4, "path": "no"}], "x": None})
    "outs:\\n- md5: '0000'\\n  path: no\\nx:\\n"
    """
    text = yaml.dump(value, Dumper=_Dumper, default_flow_style=False, allow_unicode=True, sort_keys=False, width=80, indent=2)
    assert isinstance(text, str)
    return text


class _Dumper(yaml.SafeDumper):
    """PyYAML's writer with the words of YAML 1.2, where `no` and `12:30` are text, and the quotes and lines of ruamel.yaml."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - as the base class has it

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the base class asks
        return True

    def represent_none(self, data: None) -> yaml.ScalarNode:  # noqa: ARG002
        return self.represent_scalar("tag:yaml.org,2002:null", "")

    def represent_float(self, data: float) -> yaml.ScalarNode:
        return self.represent_scalar("tag:yaml.org,2002:float", repr(data).lower())

    def represent_day(self, data: Date) -> yaml.ScalarNode:
        return self.represent_scalar("tag:yaml.org,2002:timestamp", str.__str__(data))

    def choose_scalar_style(self) -> str:
        """Double quotes for what has an apostrophe or several lines; else as PyYAML."""
        style = super().choose_scalar_style()
        value = self.event.value if isinstance(self.event, yaml.ScalarEvent) else ""
        return '"' if style == "'" and ("'" in value or "\n" in value) else style

    def write_plain(self, text: str, split: bool = True) -> None:
        """Words in lines of 80: one that does not fit begins a line, and the blank before it stays."""
        if not text:
            if self.sequence_context:
                self._say(" ")
            return
        if not self.whitespace:
            self._say(" ")
        self.whitespace = self.indention = False
        for run in re.findall(r" +|[^ ]+", text):
            blank = run[0] == " "
            if blank and len(run) == 1 and split and self.column >= self.best_width:
                self._break()
                continue
            if not blank and self.column + len(run) > self.best_width and self.indent is not None and self.column > self.indent:
                self.write_indent()
            self._say(run)
        self.whitespace = self.indention = False

    def write_double_quoted(self, text: str, split: bool = True) -> None:
        """As PyYAML, but a line ends at a blank without a backslash where what follows it can be read back so."""
        self.write_indicator('"', True)
        start = 0
        for end in range(len(text) + 1):
            letter = text[end : end + 1]
            if not letter or _ESCAPED.match(letter):
                if start < end:
                    self._say(text[start:end])
                    start = end
                if letter:
                    self._say(_escape(letter))
                    start = end + 1
            ends = 0 < end < len(text) - 1 and (letter == " " or start >= end)
            if ends and split and self.column + end - start > self.best_width:
                mark = "" if start != end and _folds(text, end) else "\\"
                self._say(text[start:end] + mark)
                start = max(start, end)
                self._break()
                if text[start] == " ":
                    start += 0 if mark else 1
                    self._say(mark)
        self.write_indicator('"', False)

    def _say(self, text: str) -> None:
        self.column += len(text)
        self.stream.write(text)

    def _break(self) -> None:
        self.write_indent()
        self.whitespace = self.indention = False


_ESCAPED = re.compile('[^ -~\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|["\\\\\u2028\u2029\ufeff]')
_SHORT = dict(zip('\0\a\b\t\n\v\f\r\x1b"\\\x85\xa0\u2028\u2029', '0abtnvfre"\\N_LP', strict=True))


def _escape(letter: str) -> str:
    if letter in _SHORT:
        return "\\" + _SHORT[letter]
    code = ord(letter)
    return f"\\x{code:02X}" if code <= 0xFF else f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"


def _folds(text: str, end: int) -> bool:
    """Whether a line may end before the letter at `end`, as ruamel.yaml judges it by what comes up to the next blank."""
    place = text.find(" ", end)
    if place < 0:
        return False
    line = text.find("\n", end, place)
    place = line if line >= 0 else place
    if place + 1 >= len(text) or (text[place] == "\n" and text[place + 1] != " "):
        return False
    between = text[end:place]
    return not {'"', "'"} & set(between) and text[place + 1] not in " \n" and text[end - 1 : end + 1] != "  "


_Dumper.add_representer(type(None), _Dumper.represent_none)
_Dumper.add_representer(float, _Dumper.represent_float)
_Dumper.add_representer(Date, _Dumper.represent_day)
for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    (
        "float",
        r"[-+]?(?:[0-9][0-9_]*)\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[-+]?(?:[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)"
        r"|[-+]?\.[0-9_]+(?:[eE][-+][0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+0123456789.",
    ),
    ("int", r"[-+]?0b[0-1_]+|[-+]?0o?[0-7_]+|[-+]?[0-9_]+|[-+]?0x[0-9a-fA-F_]+", "-+0123456789"),
    ("merge", r"<<", "<"),
    ("null", r"~|null|Null|NULL|", "~nN\0"),
    (
        "timestamp",
        r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
        r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt]|[ \t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]*)?"
        r"(?:[ \t]*(?:Z|[-+][0-9]{1,2}(?::[0-9]{2})?))?",
        "0123456789",
    ),
    ("value", r"=", "="),
):
    _Dumper.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), ["" if c == "\0" else c for c in _first]
    )


def as_sequence(node: YamlNode, what: str) -> Sequence[YamlNode]:
    """The items of a list; nothing at all is an empty one. Raises DvcMalformed."""
    if node.value is None:
        return ()
    if not isinstance(node.value, list):
        raise fail(node, f"{what} is a list, not {node.shown()}")
    return node.value


def as_group(node: YamlNode, what: str) -> Mapping[str, YamlNode]:
    """The entries of a mapping; nothing at all is an empty one. Raises DvcMalformed."""
    if node.value is None:
        return {}
    if not isinstance(node.value, dict):
        raise fail(node, f"{what} is a group of keys, not {node.shown()}")
    return node.value

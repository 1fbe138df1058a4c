"""Golden rows: questions with what a good answer has, one JSON object a line. Every mistake is told at its file and line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from shipway.evals._assertions import TYPES, Assertion, pattern_fault
from shipway.kernel.canonical import Json, JsonObject, NotCanonical, canonical_json, parse_object
from shipway.kernel.digest import Digest, digest_bytes
from shipway.kernel.errors import ShipwayError, nearest

FIELDS = ("id", "input", "target", "context", "vars", "expect", "cluster", "slice", "metadata")
FILE_BYTES = 64 * 1024 * 1024
LINE_BYTES = 1024 * 1024
ROWS = 100_000
ID_LENGTH = 200
MEND_NOTHING = '"target": "the answer", "expect": [{"type": "contains", "value": "..."}] or "context": ["page.txt"]'


class GoldenMissing(ShipwayError):
    """The file of a golden set is not there or cannot be read."""

    code = "evals.golden-missing"


class GoldenMalformed(ShipwayError):
    """A golden set says what it cannot mean; `where` is `file:line`, counted from 1."""

    code = "evals.golden-malformed"


@dataclass(frozen=True)
class GoldenRow:
    """One item. target: texts of which each is a right answer; context: keys of the documents that hold it, `path` or
    `path#heading`; vars: values of the prompt's variables; expect: all of it must hold; cluster: items of one cluster are
    kin and count as one piece of evidence, and so do items of no cluster with equal input and vars; slice: the group that
    metrics are told for as well.
    """

    id: str
    input: str
    target: tuple[str, ...] = ()
    context: tuple[str, ...] = ()
    vars: Mapping[str, Json] = field(default_factory=dict)
    expect: tuple[Assertion, ...] = ()
    cluster: str | None = None
    slice: str | None = None
    metadata: JsonObject = field(default_factory=dict)

    @cached_property
    def question(self) -> Digest:
        """The digest of what is asked: id, input and vars. Another target is another score of the same answer."""
        return digest_bytes(canonical_json({"id": self.id, "input": self.input, "vars": self.vars}))

    @cached_property
    def words(self) -> Digest:
        """The digest of input and vars: rows that are equal in it are copies of one question, whatever their ids."""
        return digest_bytes(canonical_json({"input": self.input, "vars": self.vars}))

    def to_json(self) -> JsonObject:
        """The row without what is empty: one form, however it was written."""
        expect = [assertion.to_json() for assertion in self.expect]
        rest: dict[str, Json] = {
            "target": list(self.target),
            "context": list(self.context),
            "vars": self.vars,
            "expect": expect,
        }
        rest |= {"cluster": self.cluster, "slice": self.slice, "metadata": self.metadata}
        return {"id": self.id, "input": self.input} | {name: value for name, value in rest.items() if value}


def load_golden(path: Path) -> tuple[GoldenRow, ...]:
    """The rows of a JSONL file, in its order. Raises GoldenMissing, GoldenMalformed."""
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES + 1)
    except OSError as problem:
        why = problem.strerror or str(problem)
        raise GoldenMissing(f"the golden set cannot be read: {why}", where=str(path), mend="correct the path") from problem
    return parse_golden(data, where=str(path))


def parse_golden(data: bytes, *, where: str) -> tuple[GoldenRow, ...]:
    """As load_golden, of bytes; where: what the file is called."""
    if len(data) > FILE_BYTES:
        raise GoldenMalformed(f"the golden set has over {FILE_BYTES >> 20} MiB", where=where, mend="split it into several")
    rows: dict[str, GoldenRow] = {}
    places: dict[str, int] = {}
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if not line.strip():
            continue
        row = _Line(line, f"{where}:{number}").row()
        if row.id in rows:
            what = f"id {row.id!r} comes twice, first in line {places[row.id]}"
            raise GoldenMalformed(what, where=f"{where}:{number}", mend="give each row an id of its own")
        if len(rows) == ROWS:
            raise GoldenMalformed(f"over {ROWS} rows", where=f"{where}:{number}", mend="split the golden set into several")
        rows[row.id], places[row.id] = row, number
    if not rows:
        mend = 'a row a line, as in {"id": "q1", "input": "...", "target": "..."}'
        raise GoldenMalformed("the golden set has no rows", where=where, mend=mend)
    return tuple(rows.values())


class _Line:
    """One line being read: each question about it names the line when the answer is no."""

    def __init__(self, line: bytes, where: str) -> None:
        self._where = where
        if len(line) > LINE_BYTES:
            raise self._fail(f"a row of over {LINE_BYTES >> 10} KiB", "move long texts into documents")
        try:
            self._record = parse_object(line.decode("utf-8"))
            canonical_json(self._record)
        except UnicodeDecodeError as problem:
            raise self._fail("not UTF-8", "save the file as UTF-8") from problem
        except NotCanonical as problem:
            raise self._fail(f"not a row: {problem}", "one JSON object a line") from problem
        self._check_keys()

    def row(self) -> GoldenRow:
        row = GoldenRow(
            id=self._id(),
            input=self._needed("input"),
            target=self._texts("target"),
            context=self._texts("context"),
            vars=self._vars(),
            expect=self._expect(),
            cluster=self._text("cluster"),
            slice=self._text("slice"),
            metadata=self._object("metadata"),
        )
        if not (row.target or row.expect or row.context):
            raise self._fail(f"row {row.id!r} has no target: nothing says what a good answer is", f"add {MEND_NOTHING}")
        return row

    def _fail(self, what: str, mend: str) -> GoldenMalformed:
        return GoldenMalformed(what, where=self._where, mend=mend)

    def _check_keys(self) -> None:
        for key in self._record:
            if key not in FIELDS:
                near = nearest(key[:80], list(FIELDS))
                mend = f"did you mean `{near}`? What is yours goes into `metadata`" if near else f"one of: {', '.join(FIELDS)}"
                raise self._fail(f"a row has no {key[:80]!r}", mend)

    def _id(self) -> str:
        name = self._needed("id")
        if len(name) > ID_LENGTH or not name.isprintable():
            raise self._fail(f"an id is a printable text of at most {ID_LENGTH} characters", "shorten it")
        return name

    def _needed(self, name: str) -> str:
        found = self._text(name)
        if found is None or not found.strip():
            raise self._fail(f"a row without {name}", f'add "{name}": "..."')
        return found

    def _text(self, name: str) -> str | None:
        found = self._record.get(name)
        if found is not None and not isinstance(found, str):
            raise self._fail(f"`{name}` is a text, not {type(found).__name__}", f'write it in quotes: "{name}": "..."')
        return found

    def _texts(self, name: str) -> tuple[str, ...]:
        found = self._record.get(name)
        texts = [] if found is None else found if isinstance(found, list) else [found]
        for text in texts:
            if not isinstance(text, str) or not text.strip():
                raise self._fail(f"`{name}` is a text or a list of texts, and {text!r} is none", "write each in quotes")
        return tuple(dict.fromkeys(str(text) for text in texts))

    def _object(self, name: str) -> JsonObject:
        found = self._record.get(name)
        if found is None:
            return {}
        if not isinstance(found, dict):
            raise self._fail(f"`{name}` is an object, not {type(found).__name__}", f'"{name}": {{...}}')
        return found

    def _vars(self) -> JsonObject:
        values = self._object("vars")
        for name, value in values.items():
            if isinstance(value, bool) or not isinstance(value, str | int | float):
                raise self._fail(f"variable {name!r} is a text or a number, not {type(value).__name__}", "write it as text")
        return values

    def _expect(self) -> tuple[Assertion, ...]:
        found = self._record.get("expect")
        if found is not None and not isinstance(found, list):
            raise self._fail("`expect` is a list", '"expect": [{"type": "contains", "value": "..."}]')
        return tuple(self._assertion(item) for item in found or [])

    def _assertion(self, item: Json) -> Assertion:
        if not isinstance(item, dict) or set(item) != {"type", "value"}:
            raise self._fail("each of `expect` has a type and a value", '{"type": "contains", "value": "..."}')
        kind, value = item["type"], item["value"]
        if kind not in TYPES:
            near = nearest(str(kind)[:80], list(TYPES))
            raise self._fail(
                f"no assertion {str(kind)[:80]!r}", f"did you mean `{near}`?" if near else f"one of: {', '.join(TYPES)}"
            )
        if not isinstance(value, str) or not value:
            raise self._fail(f"the value of {kind!r} is a text", "write it in quotes")
        fault = pattern_fault(value) if str(kind).endswith("regex") else None
        if fault:
            raise self._fail(fault, "a plainer pattern, or several assertions")
        return Assertion(str(kind), value)

"""A comparison of two data sets for a person: counts first, then three samples. Text, or Markdown for a review.

Works on the document alone, so that a comparison that is known needs nothing heavy to be shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

from shipway.kernel.canonical import Json, JsonObject

_SAMPLES = 3
_LINES = 10  # of a kind
_LONGEST = 40  # characters of a value in a line


def render_diff(document: JsonObject) -> list[str]:
    """The comparison as lines of plain text."""
    lines = [", ".join(diff_counts(document)) or "no file differs"]
    for about, found in _parts(document):
        lines += [f"{about}:", *(f"  {line}" for line in found)]
    return [plain(line) for line in lines]


def render_diff_markdown(document: JsonObject, *, title: str) -> str:
    """The comparison as a comment for a review: below 65,000 characters, whatever a cell holds."""
    lines = [f"### {_escaped(title)}", "", f"**{_escaped(', '.join(diff_counts(document)) or 'no file differs')}**", ""]
    for about, found in _parts(document):
        lines += [f"**{_escaped(about)}**", "", *(f"- {_escaped(line)}" for line in found), ""]
    text = "\n".join(plain(line) for line in lines)
    return text if len(text) < 60_000 else text[:60_000].rpartition("\n")[0] + "\n\n…\n"


def plain(line: str) -> str:
    """A name or a value may hold a newline or what is no text: neither belongs on a terminal."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in line)


def diff_counts(document: JsonObject) -> list[str]:
    """What differs, the rows first."""
    words, rows = [], _object(document.get("rows"))
    if rows:
        numbers = [(word, rows.get(word)) for word in ("added", "removed", "changed")]
        if rows.get("added") is None:
            words.append(f"rows {_number(rows.get('before'))} -> {_number(rows.get('after'))}, not compared")
        else:
            key = f" by {', '.join(map(str, cast('Sequence[str]', rows['key'])))}" if rows["key"] else " as a multiset"
            words.append("rows: " + ", ".join(f"{_number(count)} {word}" for word, count in numbers if count is not None) + key)
        words.append(f"{_number(rows.get('before'))} -> {_number(rows.get('after'))} rows in the files that differ")
    counts = _object(document["files"])
    found = ", ".join(f"{_number(count)} {word}" for word, count in counts.items() if count)
    return [*words, f"files: {found}"] if found else words


def _parts(document: JsonObject) -> Iterator[tuple[str, list[str]]]:
    for about, lines in (
        ("note", _note(document)),
        ("columns", _column_lines(document)),
        ("cells changed", _cells(document)),
        ("changed rows", _changed(document)),
        ("added rows", _alone(document, "added")),
        ("removed rows", _alone(document, "removed")),
        ("distributions", _distributions(document)),
        ("values", _values(document)),
        ("contract", _contract(document)),
        ("rows by day", _days(document)),
        ("rows by folder", _counted(_object(document.get("partitions")), least=2)),
        ("releases that used what was before", _releases(document)),
        ("files", _files(document)),
    ):
        if lines:
            yield about, lines


def _note(document: JsonObject) -> list[str]:
    note = _object(document.get("rows")).get("note")
    return str(note).split("; ") if note else []


def _column_lines(document: JsonObject) -> list[str]:
    lines = []
    for column in _list(_object(document.get("rows")).get("columns")):
        name, old, new = column["name"], column["from"], column["to"]
        lines.append(f"+ {name} {new}" if old is None else f"- {name} {old}" if new is None else f"~ {name} {old} -> {new}")
    for one in _list(document.get("renamed")):
        lines.append(f"? {one['from']} may be {one['to']} now ({float(cast('float', one['likeness'])):.0%} alike)")
    return _cut(lines)


def _cells(document: JsonObject) -> list[str]:
    cells = _object(document.get("cells"))
    rows, changed = cells.get("rows"), _object(document.get("rows")).get("changed")
    lines = _cut([f"{one['column']}  {_number(one['changed'])}" for one in _list(cells.get("columns"))])
    return [*lines, f"of the first {_number(rows)} changed rows"] if lines and rows != changed else lines


def _changed(document: JsonObject) -> list[str]:
    lines = []
    for row in _list(_object(document.get("samples")).get("changed"))[:_SAMPLES]:
        before, after = _object(row["before"]), _object(row["after"])
        key = ", ".join(f"{name} {_value(value)}" for name, value in _object(row["key"]).items())
        cells = ", ".join(f"{name} {_value(before[name])} -> {_value(after[name])}" for name in list(before)[:5])
        lines.append(f"{key}: {cells}")
    return lines


def _alone(document: JsonObject, word: str) -> list[str]:
    rows = _list(_object(document.get("samples")).get(word))[:_SAMPLES]
    return [", ".join(f"{name} {_value(value)}" for name, value in list(row.items())[:6]) for row in rows]


def _distributions(document: JsonObject) -> list[str]:
    lines = []
    for column in _list(document.get("columns")):
        check = _object(column["check"])
        if check["verdict"] == "fail":
            lines.append(f"{column['name']}  {check['text']}: PSI {float(cast('float', check['value'])):.3f}, "
                         f"threshold {check['threshold']}; {_moved(column)}")  # fmt: skip
    known = [column for column in _list(document.get("columns")) if _object(column["check"])["verdict"] == "pass"]
    return [*_cut(lines), f"{len(known)} columns distributed as before"] if lines and known else _cut(lines)


def _moved(column: JsonObject) -> str:
    before, after = _object(column["before"]), _object(column["after"])
    if before["type"] == "numbers" and before.get("mean") is not None and after.get("mean") is not None:
        return f"mean {_value(before['mean'])} -> {_value(after['mean'])}"
    return f"nulls {_number(before['nulls'])} of {_number(before['n'])} -> {_number(after['nulls'])} of {_number(after['n'])}"


def _values(document: JsonObject) -> list[str]:
    lines = []
    for column in _list(document.get("columns")):
        for sign, word in (("+", "came"), ("-", "went")):
            found = _list(column.get(word))
            if found:
                shown = ", ".join(f"{_value(one['value'])} ({_number(one['rows'])})" for one in found[:5])
                lines.append(f"{sign} {column['name']}: {shown}{' ...' if len(found) > 5 else ''}")
    return _cut(lines)


def _contract(document: JsonObject) -> list[str]:
    found = _object(document.get("contract"))
    if found.get("note"):
        return [str(found["note"])]
    lines = []
    for flip in _list(found.get("flips")):
        before, after = _object(flip["before"]), _object(flip["after"])
        lines.append(f"{flip['name']}: {before['verdict']} -> {after['verdict']} ({after['text']})")
    return _cut(lines)


def _days(document: JsonObject) -> list[str]:
    lines = []
    for days in _list(document.get("days")):
        found = _counted(days, least=1)
        lines += [f"{days['column']} {line}" for line in found]
    return _cut(lines)


def _counted(counts: JsonObject, *, least: int) -> list[str]:
    if int(cast("int", counts.get("of", 0))) < least:
        return []
    odd = [row for row in _list(counts.get("counts")) if row["before"] != row["after"]]
    lines = [f"{row['name']}  {_number(row['before'])} -> {_number(row['after'])}" for row in odd[:5]]
    more = int(cast("int", counts.get("different", 0))) - len(lines)
    return [*lines, f"and {more:,} more"] if more > 0 else lines


def _releases(document: JsonObject) -> list[str]:
    return _cut(
        [f"{one['release']}  {', '.join(cast('Sequence[str]', one['names']))}" for one in _list(document.get("releases"))]
    )


def _files(document: JsonObject) -> list[str]:
    lines: list[str] = []
    for word, sign in (("added", "+"), ("removed", "-")):
        lines += _cut([f"{sign} {file['path']}  {_number(file['size'])} bytes" for file in _list(document[word])])
    changed = [
        (one["path"], *(_object(one[side])["size"] for side in ("before", "after"))) for one in _list(document["changed"])
    ]
    lines += _cut([f"~ {path}  {_number(old)} -> {_number(new)} bytes" for path, old, new in changed])
    return lines + _cut([f"= {file['from']} -> {file['path']}" for file in _list(document["moved"])])


def _cut(lines: list[str]) -> list[str]:
    return lines if len(lines) <= _LINES else [*lines[:_LINES], f"... and {len(lines) - _LINES:,} more"]


def _value(value: Json) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    text = "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _number(value: Json) -> str:
    return f"{value:,}" if isinstance(value, int) else "?"


def _object(value: Json) -> JsonObject:
    return cast("JsonObject", value) if isinstance(value, dict) else {}


def _list(value: Json) -> list[JsonObject]:
    return cast("list[JsonObject]", list(value)) if isinstance(value, list | tuple) else []


def _escaped(text: str) -> str:
    """No markup, no list and no mention of a person comes from data."""
    begun = "\\" if text.startswith(("+", "-")) else ""
    return begun + text.translate(_ESCAPES)


_ESCAPES = {ord(letter): f"\\{letter}" for letter in "\\`*_[]|#~"} | {ord(letter): f"&#{ord(letter)};" for letter in "<>&@"}

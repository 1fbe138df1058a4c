"""The text of a file without what has no meaning, the same under every Python that can read the file.

Tokens differ between Pythons (3.12 takes f-strings apart), so they enter no digest: they only say where a comment begins
and which line ends lie inside a string.
"""

from __future__ import annotations

import io
import tokenize


def source_lines(source: str) -> dict[int, str]:
    """The lines by number, from 1, without comments, blank lines and trailing blanks; lines in strings stay as they are.

    Raises tokenize.TokenError for what does not parse.

    >>> source_lines('x = 1  # one\\n\\n# two\\ny = "# three"\\n')
    {1: 'x = 1', 4: 'y = "# three"'}
    """
    comments, inside = _places(source)
    kept: dict[int, str] = {}
    continued = False  # by a backslash: then a blank line ends the statement, and has a meaning
    for number, line in enumerate(source.split("\n"), start=1):
        text = line.rstrip().removesuffix(comments.get(number, "")) if number not in inside else line
        text = text if number in inside else text.rstrip()
        if text or continued or number - 1 in inside:
            kept[number] = text
        continued = text.endswith("\\") and number not in inside
    return kept


def _places(source: str) -> tuple[dict[int, str], set[int]]:
    """The comment of each line that has one, and the lines whose end lies inside a string."""
    comments: dict[int, str] = {}
    inside: set[int] = set()
    open_at: list[int] = []  # first lines of the f-strings that we are in
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        kind = tokenize.tok_name[token.type]
        if kind.endswith("STRING_START"):
            open_at.append(token.start[0])
        elif kind.endswith("STRING_END"):
            inside.update(range(open_at.pop(), token.end[0]))
        elif kind == "STRING":
            inside.update(range(token.start[0], token.end[0]))
        elif kind == "COMMENT" and not open_at:  # one inside an f-string stays: Python 3.11 does not know it
            comments[token.start[0]] = token.string.rstrip()
    return comments, inside

"""Reading our own Markdown: headings, code blocks, tables, links. Enough for our pages, no parser."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SOURCE = ROOT / "src" / "shipway"


class Section(NamedTuple):
    """A heading, how deep it is, and what follows it up to the next heading of any depth."""

    title: str
    depth: int
    text: str


class Block(NamedTuple):
    """A fenced block: its language, its text, and the vector that a comment before it names."""

    language: str
    text: str
    vector: str | None


def pages() -> list[Path]:
    """Every page of the documentation."""
    return [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]


def sections(page: Path) -> list[Section]:
    """The sections of a page in order; what looks like a heading inside a code block is none."""
    found: list[tuple[str, int, list[str]]] = []
    fenced = False
    for line in page.read_text().splitlines():
        fenced ^= line.startswith("```")
        match = None if fenced else re.fullmatch(r"(#+) (.+)", line)
        if match:
            found.append((match[2], len(match[1]), []))
        elif found:
            found[-1][2].append(line)
    return [Section(title, depth, "\n".join(lines)) for title, depth, lines in found]


def titles(page: Path, depth: int, *, below: str | None = None) -> list[str]:
    """Titles of one depth; below: only those under the section of that title."""
    found, inside = [], below is None
    for section in sections(page):
        if below is not None and section.depth < depth:
            inside = section.title == below
        if inside and section.depth == depth:
            found.append(section.title)
    return found


def section(page: Path, title: str) -> Section:
    """The section of that title; raises KeyError."""
    for found in sections(page):
        if found.title == title:
            return found
    raise KeyError(title)


def blocks(text: str) -> list[Block]:
    """The fenced blocks of a text."""
    pattern = re.compile(r"(?:<!-- vector: (\S+) -->\n)?^```(\w*)\n(.*?)^```$", re.M | re.S)
    return [Block(match[2], match[3], match[1]) for match in pattern.finditer(text)]


def table(text: str, number: int = 0) -> list[list[str]]:
    """The rows of a table, cells without code marks; number: which table of the text."""
    tables: list[list[str]] = []
    for line in text.splitlines():
        if line.startswith("|") and (not tables or tables[-1][-1] == ""):
            tables.append([line])
        elif tables and tables[-1][-1] != "":
            tables[-1].append(line if line.startswith("|") else "")
    rows = [line for line in tables[number] if line][2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def code_words(cell: str) -> list[str]:
    """What stands in code marks."""
    return re.findall(r"`([^`]+)`", cell)


def anchor(title: str) -> str:
    """The fragment that a heading gets on the usual hosts."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def committed_texts() -> list[Path]:
    """Every text file that is committed, or would be."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [path for path in (ROOT / name for name in sorted(listed)) if path.is_file() and _is_text(path)]


def _is_text(path: Path) -> bool:
    try:
        path.read_text("utf-8")
    except UnicodeDecodeError:
        return False
    return True

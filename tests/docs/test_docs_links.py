"""Every link leads somewhere, and nothing committed names a path of somebody's machine or the address of an index."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from docs_help import ROOT, anchor, committed_texts, pages, sections

LINK = re.compile(r"(?<!`)\[[^\]]+\]\(([^)\s]+)\)")
# a path that begins at one of these is of one machine; after a word, a dot or a slash it is the end of another path
MACHINE = re.compile(r"(?<![\w./~-])/(?:work|root|tmp)/[\w.]")
INDEX = re.compile(
    r"(?:pypi\.org|pythonhosted\.org)/(?:simple|packages)|--(?:extra-)?index-url[ =]https?://|index-url *= *[\"']?https?://"
)
# they say what must not be in a lock, or what git is to ignore
ABOUT_THEM = {"tests/environment/test_environment_lock.py", "tests/docs/test_docs_links.py", ".gitignore"}


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        if target.startswith(("http://", "https://")):
            continue
        name, _, fragment = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        assert path.is_relative_to(ROOT), f"{target} leaves the repository"
        assert path.is_file(), f"{page.name} links to {target}, which is not there"
        if fragment:
            assert fragment in {anchor(found.title) for found in sections(path)}, target


def test_every_page_can_be_reached_from_the_readme() -> None:
    waiting, found = [ROOT / "README.md"], set[Path]()
    while waiting:
        page = waiting.pop()
        if page not in found:
            found.add(page)
            links = [target.partition("#")[0] for target in LINK.findall(page.read_text())]
            waiting += [(page.parent / link).resolve() for link in links if link.endswith(".md")]
    assert set(pages()) - found == set()


def test_no_committed_text_names_a_path_of_a_machine() -> None:
    assert found_in(MACHINE) == []


def test_no_committed_text_names_the_address_of_a_package_index() -> None:
    assert found_in(INDEX) == []


def test_no_page_names_what_is_not_in_the_repository() -> None:
    assert [page.name for page in pages() if "shared/" in page.read_text()] == []


def found_in(pattern: re.Pattern[str]) -> list[str]:
    found = []
    for path in committed_texts():
        name = str(path.relative_to(ROOT))
        if name not in ABOUT_THEM:
            lines = enumerate(path.read_text().splitlines(), 1)
            found += [f"{name}:{number}: {match[0]}" for number, line in lines if (match := pattern.search(line))]
    return found

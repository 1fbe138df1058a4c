"""docs/serving.md: its Python runs, in the order of the page, for somebody who has just put a release live."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from docs_help import DOCS

sys.path.insert(0, str(Path(__file__).parents[1] / "operate"))

from operate_help import Project, move

pytest_plugins = ["cli_fixtures"]

PAGE = DOCS / "serving.md"


def test_the_python_of_the_page_runs_in_its_order(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    move(project, project.store.resolve("release/line"))
    monkeypatch.chdir(project.root)
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert len(blocks) >= 4
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)

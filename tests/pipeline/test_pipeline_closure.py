"""What a step's key depends on, and what it does not: edits of one file and of the modules beside it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shipway.kernel.digest import Descriptor
from shipway.pipeline import checkout_code, closure, closure_bytes, code_object, read_pipeline
from shipway.pipeline._source_text import source_lines
from shipway.store import Store, open_store

FILE = '''"""Steps."""
import os
import polars as pl
import noisy
from near import shape
from pkg.deep import edge as line
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from far import Thing

A, B = 1, 2
TABLE = {"a": A}
TABLE["b"] = 3
pl.Config.set_tbl_rows(5)


@_decorated
def one(train: int = A) -> int:
    def inner() -> int:
        return _helper(train)
    return inner()


def two(one: int) -> int:
    shape = one  # a local name, not the module's
    return shape + _Class.size


def train(other: int) -> int:
    return line(other) + sum(B for _ in range(other))


def _helper(x):
    return x + _below()


def _below():
    return 1


def _decorated(f):
    return f


class _Class:
    size = B


if __name__ == "__main__":
    print(one(1))
'''
MODULES = {
    "near.py": "def shape(): return 1\n",
    "noisy.py": "print('loaded for what it does')\n",
    "far.py": "class Thing: ...\n",
    "pkg/__init__.py": "",
    "pkg/deep.py": "from . import edges\nedge = edges.edge\n",
    "pkg/edges.py": "def edge(x): return x\n",
    "unused.py": "x = 1\n",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / "pkg").mkdir(parents=True)
    for name, text in {"steps.py": FILE, **MODULES}.items():
        (root / name).write_text(text)
    return root


def keys(root: Path) -> dict[str, str]:
    pipeline = read_pipeline(root, "steps.py")
    return {step.name: closure(pipeline, step) for step in pipeline.steps}


def changed(root: Path, old: str, new: str, *, file: str = "steps.py") -> set[str]:
    """The steps whose closure an edit changes."""
    before = keys(root)
    text = (root / file).read_text()
    assert old in text
    (root / file).write_text(text.replace(old, new))
    after = keys(root)
    return {name for name in after if before.get(name) != after[name]}


@pytest.mark.parametrize(
    ("old", "new", "steps"),
    [
        ("# a local name, not the module's", "# said otherwise", set()),
        ("import os\n", "import os\n\n\n# nothing\n", set()),
        ('"""Steps."""', '"""The steps."""', set()),
        ("print(one(1))", "print(one(2))", set()),
        ("sum(B for _ in range(other))", "0", {"train"}),
        ("return shape + _Class.size", "return 0", {"two"}),
        ("return 1\n", "return 2\n", {"one"}),
        ("def _decorated(f):\n", "def _decorated(f):\n    f.x = 1\n", {"one"}),
        ("A, B = 1, 2", "A, B = 1, 3", {"one", "two", "train"}),
        ("size = B", "size = 2 * B", {"two"}),
        ("set_tbl_rows(5)", "set_tbl_rows(6)", {"one", "two", "train"}),
        ('TABLE["b"] = 3', 'TABLE["b"] = 4', {"one", "two", "train"}),
        ("def one(train: int = A)", "def one(train: int = 7)", {"one"}),
    ],
)
def test_an_edit_changes_the_steps_that_use_what_it_changes(root: Path, old: str, new: str, steps: set[str]) -> None:
    assert changed(root, old, new) == steps


@pytest.mark.parametrize(
    ("file", "steps"),
    [
        ("pkg/edges.py", {"train"}),
        ("noisy.py", {"one", "two", "train"}),
        ("near.py", {"one", "two", "train"}),  # imported by name, used by none: it may be there for its effects
        ("far.py", set()),
        ("unused.py", set()),
    ],
)
def test_an_edit_of_a_local_module_changes_the_steps_that_load_it(root: Path, file: str, steps: set[str]) -> None:
    before = keys(root)
    (root / file).write_text(MODULES[file] + "y = 2\n")
    after = keys(root)
    assert {name for name in after if before[name] != after[name]} == steps


def test_a_comment_in_a_local_module_changes_nothing(root: Path) -> None:
    assert changed(root, "def edge(x)", "# said\ndef edge(x)", file="pkg/edges.py") == set()


def test_a_closure_carries_its_kind_and_whole_modules(root: Path) -> None:
    pipeline = read_pipeline(root, "steps.py")
    record = json.loads(closure_bytes(pipeline, pipeline.step("train")))
    assert (record["kind"], record["version"], record["step"]) == ("closure", 1, "train")
    assert sorted(record["modules"]) == ["near.py", "noisy.py", "pkg/__init__.py", "pkg/deep.py", "pkg/edges.py"]


def test_a_star_import_belongs_to_every_step(tmp_path: Path) -> None:
    (tmp_path / "near.py").write_text("x = 1\n")
    (tmp_path / "steps.py").write_text("from near import *\ndef a() -> int:\n    return x\n")
    assert changed(tmp_path, "x = 1", "x = 2", file="near.py") == {"a"}


def test_modules_that_import_each_other_come_once(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("import b\n")
    (tmp_path / "b.py").write_text("import a\nimport steps\n")
    (tmp_path / "steps.py").write_text("import a\ndef one() -> int:\n    return a.x\n")
    pipeline = read_pipeline(tmp_path, "steps.py")
    assert sorted(json.loads(closure_bytes(pipeline, pipeline.steps[0]))["modules"]) == ["a.py", "b.py", "steps.py"]


def test_the_code_object_holds_what_the_entry_reaches_and_comes_back_as_it_was(root: Path, tmp_path: Path) -> None:
    store: Store = open_store(tmp_path, "p", create=True)
    code = code_object(store, root, "steps.py")
    record = store.get(code, "code")
    held = {file.path for file in store.tree(Descriptor.from_json(record["root"]).digest)}
    assert held == {"steps.py", *MODULES} - {"unused.py"}
    assert checkout_code(store, code, tmp_path / "out") == record["entry"] == "steps.py"
    assert all((tmp_path / "out" / name).read_bytes() == (root / name).read_bytes() for name in held)
    (root / "unused.py").write_text("x = 2")
    assert code_object(store, root, "steps.py") == code


def test_an_entry_in_a_package_brings_the_packages_init(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "__init__.py").write_text("x = 1\n")
    (tmp_path / "src" / "steps.py").write_text("def a() -> int:\n    return 1\n")
    pipeline = read_pipeline(tmp_path, "src/steps.py")
    assert list(json.loads(closure_bytes(pipeline, pipeline.steps[0]))["modules"]) == ["src/__init__.py"]


STRINGS = '''"""Every string there is."""
A = [i for i in range(3)]
i = 5

def one(x: int) -> str:
    # a comment
    text = f"{x!r:>{10}} {f'{x + 1}':>{len('abc')}} # no comment {{}}"  # but this is
    more = f"""é {x}

      {
      x}@@@
    """ if False else ""
    return text + more + """

  # inside@@@
""" + f"{','.join(f'{j}' for j in A)}"


def two(y: int) -> int:
    return i + y
'''.replace("@@@", "   ")  # blanks at the end of a line, which an editor would take away


def test_a_closure_is_text_of_the_file_and_the_same_under_every_python(tmp_path: Path) -> None:
    """The digests were made under Python 3.11, 3.12 and 3.13: a new one that changes them changes every release."""
    (tmp_path / "steps.py").write_text(STRINGS)
    one, two = keys(tmp_path).values()
    assert one == "sha256:b427702424eb8f42588cf37f629d4f5caac6b5bd9280ac56cc12628749847fe4"
    assert two == "sha256:3344c35949f00abeee82e33f4d79c598987f930ba8914d5295c6063f98aaf8eb"
    pipeline = read_pipeline(tmp_path, "steps.py")
    record = json.loads(closure_bytes(pipeline, pipeline.step("one")))
    assert record["statements"][0] == "A = [i for i in range(3)]"  # whose i is its own in every Python
    assert "i = 5" not in record["statements"]
    assert "# but this is" not in record["statements"][1]
    assert "{{}}" in record["statements"][1]
    assert "\n\n  # inside   \n" in record["statements"][1]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    # a comment\n", ""),
        ("# but this is", "#"),
        ("\n\ndef two", "\n# more\n\n\n\ndef two"),
        ("i = 5", "i = 5   "),
        ("    text =", "\n\n    # said\n    text ="),
    ],
)
def test_comments_and_blanks_outside_strings_change_nothing(tmp_path: Path, old: str, new: str) -> None:
    (tmp_path / "steps.py").write_text(STRINGS)
    assert changed(tmp_path, old, new) == set()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# no comment", "# no comments"),
        ("# inside", "# within"),
        ("é {x}\n\n", "é {x}\n"),
        ("x}   \n", "x}\n"),
        ("{{}}", "{{ }}"),
    ],
)
def test_what_looks_like_a_comment_or_a_blank_in_a_string_is_part_of_it(tmp_path: Path, old: str, new: str) -> None:
    (tmp_path / "steps.py").write_text(STRINGS)
    assert changed(tmp_path, old, new) == {"one"}


def test_statements_that_share_a_line_share_their_keys(tmp_path: Path) -> None:
    (tmp_path / "steps.py").write_text("A = 1; B = 2\ndef one() -> int:\n    return A\n")
    assert changed(tmp_path, "B = 2", "B = 3") == {"one"}


def test_a_blank_line_that_ends_a_statement_stays() -> None:
    assert source_lines("x = 1 \\\n\n+1") == {1: "x = 1 \\", 2: "", 3: "+1"}

"""docs/settings.md and the code know the same keys and variables."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from docs_help import DOCS, SOURCE, blocks, code_words, section, table, titles

from shipway.cli._serving import PASSED
from shipway.environment.boot import ONE_THREAD
from shipway.spec import MONITORS, parse_spec
from shipway.spec._policy import SETTINGS
from shipway.spec._spec import SECTIONS

PAGE = DOCS / "settings.md"


def keys_of_the_code() -> set[str]:
    """Every key that a reader of the spec knows: the words given to `fields`, and the settings of a policy's rule."""
    found = set(SECTIONS) | set(MONITORS) | set(SETTINGS)
    for path in (SOURCE / "spec").glob("_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "fields":
                found |= {str(word.value) for word in ast.walk(node.args[1]) if isinstance(word, ast.Constant)}
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "pop":
                found |= {str(word.value) for word in node.args if isinstance(word, ast.Constant) and word.value}
    return found


def documented_keys() -> list[str]:
    return titles(PAGE, 3, below="shipway.yaml") + titles(PAGE, 4)


def test_every_key_of_the_spec_has_a_heading_and_every_heading_a_key() -> None:
    assert {key.split(".")[-1] for key in documented_keys()} == keys_of_the_code()


def test_no_key_has_two_headings() -> None:
    assert len(documented_keys()) == len(set(documented_keys()))


def test_the_example_has_every_key_and_is_read() -> None:
    (example,) = [block.text for block in blocks(section(PAGE, "shipway.yaml").text) if block.language == "yaml"]
    spec = parse_spec(example, path="shipway.yaml")
    assert spec.deploy["delay@prod"].workers == 2
    written = set(re.findall(r"([a-z_]+):", example))
    assert keys_of_the_code() - {"path", "lock", "python"} <= written


def environment_reads() -> set[str]:
    """The names that the code asks of something called environ: by key, get, setdefault or `in`."""
    found: set[str] = set()
    for path in [path for path in SOURCE.rglob("*.py") if "runner" not in path.parts and "template" not in path.parts]:
        for node in ast.walk(ast.parse(path.read_text())):
            found |= _asked(node, path)
    return found


def _asked(node: ast.AST, path: Path) -> set[str]:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("get", "setdefault", "pop"):
        owner, asked = node.func.value, node.args[:1]
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "getenv":
        owner, asked = node.func, node.args[:1]
    elif isinstance(node, ast.Subscript):
        owner, asked = node.value, [node.slice]
    else:
        return set()
    if not re.search(r"\b(environ|getenv)\b", ast.unparse(owner)):
        return set()
    names = [word for word in asked if isinstance(word, ast.Constant)]
    variables = [word for word in asked if not isinstance(word, ast.Constant)]
    assert all(ast.unparse(word) == "name" for word in variables), f"{path}: {ast.unparse(node)} asks for I know not what"
    return {str(word.value) for word in names}


def test_every_variable_that_is_read_has_a_heading_and_every_heading_is_read() -> None:
    assert set(titles(PAGE, 3, below="Variables that Shipway reads")) == environment_reads()


def test_the_variables_that_are_passed_on_are_those_of_the_code() -> None:
    rows = table(section(PAGE, "Variables that its processes get").text)
    predictors = next(row for row in rows if row[0].startswith("predictors"))
    assert tuple(code_words(predictors[1])) == PASSED
    assert len(PASSED) == 7, "the README says seven"


def test_the_variables_that_hold_threads_are_those_of_the_code() -> None:
    text = section(PAGE, "Variables that its processes get").text
    assert {name for name in code_words(text.replace("\n", " ")) if name.endswith("_THREADS")} == set(ONE_THREAD)

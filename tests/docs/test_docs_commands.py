"""docs/commands.md and the command line know the same commands and options."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator

import click
import pytest
from docs_help import DOCS, ROOT, SOURCE, blocks, code_words, pages, section, sections, table, titles

from shipway.cli._commands import group
from shipway.cli._group import CommandGroup, LazyGroup
from shipway.cli._table import COMMANDS

PAGE = DOCS / "commands.md"


def commands(found: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    """Every command that a person can type, groups opened."""
    if not isinstance(found, click.Group):
        yield name, found
        return
    if isinstance(found, CommandGroup):
        yield name, found.alone
    context = click.Context(found)
    for child in found.list_commands(context):
        command = found.get_command(context, child)
        assert command is not None
        yield from commands(command, f"{name} {child}")


ALL = dict(commands(group, "shipway"))


def options_of(command: click.Command) -> dict[str, str]:
    """Each option by its flag, with the placeholder of its value."""
    found = {}
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            value = "" if parameter.is_flag else parameter.metavar or parameter.make_metavar(click.Context(command))
            found[parameter.opts[-1]] = value
    return found


def documented_options(text: str) -> dict[str, str]:
    shown = (code_words(row[0])[0].partition(" ") for row in table(text))
    return {flag: value for flag, _, value in shown}


def test_every_command_has_a_heading_and_every_heading_a_command() -> None:
    assert set(titles(PAGE, 2)) == set(ALL)


@pytest.mark.parametrize("name", sorted(ALL))
def test_the_options_of_a_command_are_those_of_its_table(name: str) -> None:
    assert documented_options(section(PAGE, name).text) == options_of(ALL[name])


def test_the_options_before_a_command_are_on_the_page() -> None:
    assert documented_options(section(PAGE, "Commands").text) == options_of(group)


@pytest.mark.parametrize("name", sorted(ALL))
def test_the_arguments_of_a_command_are_in_its_usage(name: str) -> None:
    arguments = [parameter for parameter in ALL[name].params if isinstance(parameter, click.Argument)]
    shown = [argument.metavar or (argument.name or "").upper() for argument in arguments]
    words = [word if argument.required else f"[{word}]" for word, argument in zip(shown, arguments, strict=True)]
    assert " ".join([name, *words]) in section(PAGE, name).text or not words


def module_of(name: str) -> str:
    """Where the command of that name lives: with its group, or in a module of its own below a command."""
    first, *below = name.split()[1:]
    found = group.get_command(click.Context(group), first)
    if isinstance(found, LazyGroup) and below and below[0] in found.below:
        return found.below[below[0]]
    return COMMANDS[first].module


SAYS_READY = {"shipway gateway serve"}  # its one line on stdout is that it answers; it is no document of the command's


@pytest.mark.parametrize("name", sorted(ALL))
def test_the_example_of_a_command_is_a_document_of_its_kind(name: str) -> None:
    (example,) = [json.loads(block.text) for block in blocks(section(PAGE, name).text) if block.language == "json"]
    if name in SAYS_READY:
        assert example["ready"] is True
        return
    module = SOURCE / "cli" / f"{module_of(name)}.py"
    assert example["version"] == 1
    shared = re.findall(r"from shipway\.cli\.(_\w+) import", module.read_text())  # a quick command has its work elsewhere
    sources = [module, *((SOURCE / "cli" / f"{one}.py") for one in shared)]
    assert example["kind"] in {kind for source in sources for kind in kinds_of(source.read_text())}


def kinds_of(source: str) -> set[str]:
    """What a command's module passes to `out.end` first."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    ends = [call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "end" and call.args]
    return {str(call.args[0].value) for call in ends if isinstance(call.args[0], ast.Constant)}


def test_every_document_that_a_command_writes_is_on_the_page() -> None:
    text = PAGE.read_text()
    written = {kind for entry in COMMANDS.values() for kind in kinds_of((SOURCE / "cli" / f"{entry.module}.py").read_text())}
    assert {kind for kind in written if f'"kind": "{kind}"' not in text} == set()


def shell_lines() -> list[str]:
    """Every command line in a console block of any page."""
    fenced = [block for page in pages() for block in blocks(page.read_text()) if block.language == "console"]
    return [line.split("#")[0].strip() for block in fenced for line in block.text.splitlines() if line.strip()]


def test_every_shipway_command_named_anywhere_exists() -> None:
    named = {word for page in pages() for word in re.findall(r"`shipway ([a-z]+)", page.read_text())}
    named |= {line.split()[1] for line in shell_lines() if line.startswith("shipway ")}
    assert len(named) > 10
    assert named <= set(COMMANDS)


def test_every_flag_on_a_command_line_is_known() -> None:
    for line in shell_lines():
        words = line.split()
        if words[0] == "shipway":
            name = " ".join(words[:3]) if " ".join(words[:3]) in ALL else " ".join(words[:2])
            assert {word for word in words if word.startswith("--")} <= set(options_of(ALL[name])), line


def test_every_make_target_named_anywhere_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+)(?=[ :].*|:)", (ROOT / "Makefile").read_text(), re.M))
    named = {line.split()[1] for line in shell_lines() if line.startswith("make ")}
    named |= {word for page in pages() for word in re.findall(r"`make ([a-z]+)", page.read_text())}
    assert {"demo", "test"} <= named
    assert {name for name in named if name not in targets} == set()


def test_help_shows_every_command_once() -> None:
    assert len(sections(PAGE)) == len(ALL) + 1
    assert set(COMMANDS) == {name.split()[1] for name in ALL}

"""Commands below a word: `shipway release` makes a release, `shipway release export` takes one along."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

import click


class LazyGroup(click.Group):
    """A group of which some commands are imported when they are called. below: name -> module of `shipway.cli`."""

    def __init__(self, below: Mapping[str, str], *, name: str | None, help: str | None, short_help: str | None = None) -> None:
        super().__init__(name=name, help=help, short_help=short_help, params=[])
        self.below = below

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), *self.below]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.below:
            return super().get_command(ctx, cmd_name)
        command = importlib.import_module(f"shipway.cli.{self.below[cmd_name]}").command
        assert isinstance(command, click.Command)
        return command


class CommandGroup(LazyGroup):
    """Runs `alone` unless the first word names a command below; those are imported when they are called.

    below: name -> module of `shipway.cli` whose attribute `command` it is. Where an argument of `alone` has the name of a
    command below, the command wins; write `--` before the argument.
    """

    def __init__(self, alone: click.Command, below: Mapping[str, str]) -> None:
        super().__init__(dict(below), name=alone.name, help=alone.help, short_help=alone.short_help)
        self.alone = alone

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: object
    ) -> click.Context:
        """The context of the command that the words mean; `--help` alone shows both."""
        if args and (args[0] in self.below or args[0] in ("-h", "--help")):
            return super().make_context(info_name, args, parent, **extra)
        return self.alone.make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> object:
        if ctx.command is self.alone:
            return self.alone.invoke(ctx)
        return super().invoke(ctx)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.alone.format_usage(ctx, formatter)
        formatter.write_usage(ctx.command_path, "COMMAND [ARGS]...", prefix="   or: ")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.alone.format_options(ctx, formatter)
        self.format_commands(ctx, formatter)

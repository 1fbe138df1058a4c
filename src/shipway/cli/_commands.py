"""The group of commands: what parses the words that are not run quickly."""

from __future__ import annotations

import gc
import importlib

import click

from shipway.cli._table import COMMANDS


class LazyGroup(click.Group):
    """Imports a command only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        command = importlib.import_module(f"shipway.cli.{entry.module}").command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS:
            from shipway.kernel.errors import nearest

            near = nearest(args[0], list(COMMANDS))
            hint = f" Did you mean {near}?" if near else ""
            raise click.UsageError(f"There is no command {args[0]!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        for title, daily in (("Every day", True), ("By noun", False)):
            with formatter.section(title):
                formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items() if entry.daily is daily])


def _version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        from shipway import __version__

        click.echo(f"shipway {__version__}")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("-C", "directory", default=".", metavar="DIR", help="Work as if started in DIR.")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
@click.pass_context
def group(ctx: click.Context, directory: str, debug: bool) -> None:
    """Shipway takes machine-learning systems from experiment to production.

    Every command takes --json and --help. Exit codes: 0 done or passed, 1 failed, 2 inconclusive, 64 and above usage.
    """
    from shipway.cli._settings import read_settings

    gc.enable()
    ctx.obj = read_settings(directory=directory, debug=debug)

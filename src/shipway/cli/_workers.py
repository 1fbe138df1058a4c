"""`--on`: whose hands data-parallel work is done by."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from shipway.cli._settings import Settings

if TYPE_CHECKING:
    from shipway.kernel.workers import Workers

HERE, RAY = "here", "ray"

on_option = click.option(
    "--on",
    default=HERE,
    type=click.Choice([HERE, RAY]),
    metavar="WHERE",
    help="Who works: `here`, threads, or `ray`, Ray at RAY_ADDRESS (a cluster of its own without it).",
)


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0))


@contextmanager
def workers_on(settings: Settings, on: str, count: int | None = None) -> Iterator[Workers]:
    """The workers that `--on` names, as long as the block lasts. count: of those here. Raises RayMissing, RayUnreachable."""
    from shipway.kernel.workers import Threads

    if on == HERE:
        yield Threads(count or cores())
        return
    from shipway.operate import open_ray

    with open_ray(settings.environ, count=count or cores()) as workers:
        yield workers

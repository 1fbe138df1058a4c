"""`--arm NAME=RELEASE:SHARE`, as `plan` and `apply` take it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from shipway.cli._output import Misused

if TYPE_CHECKING:
    from shipway.release import AskedArm
    from shipway.spec import DeploySpec
    from shipway.store import Store

_FORM = re.compile(r"(?P<name>[a-z][a-z0-9_-]{0,60})=(?:(?P<release>[^:]+(?::[0-9a-f]+)?):)?(?P<share>[0-9.]+\s*%)")
_MEND = "as in --arm candidate=0743f2c1:5%, or --arm shadow=10% for the newest release"

Command = Callable[..., Any]


def arm_option(command: Command) -> Command:
    """Adds `--arm`, which may be repeated, as `arms`."""
    text = "Answer this share beside what is live; `shadow` is asked and not heard. Repeat it; the others end."
    return click.option("--arm", "arms", multiple=True, metavar="NAME=RELEASE:SHARE", help=text)(command)


def asked_arms(store: Store, deploy: DeploySpec, texts: Sequence[str]) -> tuple[AskedArm, ...]:
    """What `--arm` said; a release that is left out is the newest. Raises Misused, NoCandidate, and as find_release."""
    from shipway.cli._digests import find_release
    from shipway.kernel.split import BUCKETS
    from shipway.kernel.units import UnitMalformed, parse_share
    from shipway.release import AskedArm, candidate_of

    found = []
    for text in texts:
        match = _FORM.fullmatch(text)
        if not match:
            raise Misused(f"{text[:80]!r} is no arm", mend=_MEND)
        try:
            share = parse_share(match["share"])
        except UnitMalformed as problem:
            raise Misused(f"{text[:80]!r} is no arm: {problem.what}", mend=_MEND) from problem
        if share * BUCKETS < 1:
            raise Misused(f"{text[:80]!r} is less than {100 / BUCKETS} %, the finest share", mend=_MEND)
        release = find_release(store, match["release"]) if match["release"] else candidate_of(store, deploy)
        found.append(AskedArm(match["name"], release, share))
    return tuple(found)

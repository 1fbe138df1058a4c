"""`shipway bisect`: which component of two releases moved a metric."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import click

from shipway.cli._options import days_option
from shipway.cli._output import Output, json_option
from shipway.cli._refs import find_deploy
from shipway.cli._settings import Project, Settings
from shipway.kernel.digest import Digest

if TYPE_CHECKING:
    from shipway.operate import Bisection, Swap
    from shipway.stats import Interval

_ALIKE = 0.99  # of the rows that a release answered itself; with fewer the replay is not what happened


@click.command(name="bisect")
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@click.option("--deployment", default=None, metavar="NAME", help="Whose logged requests are replayed; that of A or B.")
@click.option("--metric", default=None, metavar="NAME", help="By what they are told apart; auc, or the first scorer.")
@days_option("Event days to replay; the last 30 mature ones.")
@click.option("--rows", default=50_000, show_default=True, type=click.IntRange(2), help="At most; of more, evenly fewer.")
@click.option("--model", default=None, metavar="NAME", help="Which one, where the releases have several.")
@click.option("--set", "only", default=None, metavar="NAME", help="The golden set, where there are several.")
@click.option("--again", is_flag=True, help="Ask providers anew, also what was answered within a day.")
@json_option
@click.pass_obj
def command(
    settings: Settings,
    first: str,
    second: str,
    deployment: str | None,
    metric: str | None,
    days: tuple[date, date] | None,
    rows: int,
    model: str | None,
    only: str | None,
    again: bool,
    as_json: bool,
) -> None:
    """Say which component moved a metric between two releases.

    Replays logged requests that have outcomes on A, on B, and on each with one component of the other: the model, the code
    around it, the environment. Of releases that answer a prompt it asks a golden set instead, as the log of calls keeps no
    words, and swaps prompt, index and provider. A and B are as for `diff`. Exits 2 when no component could be shown to have
    moved the metric. Moves nothing, keeps no evidence.
    """
    from shipway.cli._progress import PartReport
    from shipway.operate import Window, bisect_models, bisect_prompts, gather, golden_sets, release_answers, world_of
    from shipway.release import deploy_ref

    project, out = Project(settings), Output(as_json)
    store, spec = project.store, project.spec
    source, target = (_release(project, text) for text in (first, second))
    with PartReport(out, "replay") as report:
        if release_answers(store, source) or release_answers(store, target):
            golden = _golden(golden_sets(store, spec), only, source)
            world = world_of(project.hands, spec, environ=settings.environ, again=again)
            found = bisect_prompts(
                project.hands, source, target, golden, world=world, metric=metric, report=report, tell=report.part
            )
        else:
            gather(store)
            named = deployment or next((name for text in (second, first) if (name := _deployment(text))), None)
            window = Window(deploy_ref(find_deploy(spec, named)), days, rows)
            found = bisect_models(
                project.hands, source, target, window, model=model, metric=metric, report=report, tell=report.part
            )
    _say(out, found)
    out.end("bisection", found.to_json(), then=f"shipway diff {first} {second}")
    if not found.parted.decided:
        raise click.exceptions.Exit(2)


def _deployment(text: str) -> str | None:
    """That of a ref such as deploy/delay@prod~1."""
    ref = text.partition("~")[0].partition("@{")[0]
    return ref.removeprefix("deploy/") if ref.startswith("deploy/") else None


def _release(project: Project, text: str) -> Digest:
    from shipway.operate import BisectImpossible
    from shipway.release import find_object, release_descriptor

    found = find_object(project.store, text)
    if found.kind == "release":
        return found.digest
    if found.kind == "deployment":
        return release_descriptor(project.store.get(found.digest, "deployment")).digest
    raise BisectImpossible(
        f"{text} is a {found.kind}", mend="name two releases, or deployments: deploy/APP@ENV~1 deploy/APP@ENV"
    )


def _golden(sets: dict[str, Digest], only: str | None, release: Digest) -> Digest:
    from shipway.kernel.errors import nearest
    from shipway.operate import BisectImpossible

    if not sets:
        mend = "add one under evals: in shipway.yaml; the log of calls keeps no words to replay"
        raise BisectImpossible("the spec has no golden set, whose questions have known answers", where=release, mend=mend)
    if only is None and len(sets) == 1:
        return next(iter(sets.values()))
    if only not in sets:
        what = f"no golden set {only}" if only else f"which golden set: {', '.join(sets)}"
        raise BisectImpossible(what, mend=f"--set {nearest(only or '', list(sets)) or next(iter(sets))}")
    return sets[only]


def _say(out: Output, found: Bisection) -> None:
    from shipway.kernel.digest import short

    parted = found.parted
    out.say(f"release {short(found.source)} -> {short(found.target)}: {found.metric} on {found.over}")
    out.say(f"  {found.metric} {found.ends[0]:.4f} -> {found.ends[1]:.4f}, {_moved(found, parted.total)}")
    for swap in parted.swaps:
        out.say(f"  {swap.component:<12} {_swap(found, swap)}")
    if parted.interaction is not None:
        out.say(f"  {'interaction':<12} {_moved(found, parted.interaction)}: what no swap alone explains")
    for pair in parted.pairs:
        words = " and ".join(pair.components)
        out.say(f"  {words:<12} {_moved(found, pair.effect)}: together, beyond what each does")
    if parted.remainder is not None:
        out.say(f"  {'remainder':<12} {_moved(found, parted.remainder)}: what the effects leave of the whole")
    for one in found.replayed:
        if one.equal < _ALIKE * one.rows:
            what = f"{one.rows - one.equal:,} of {one.rows:,} requests that {short(one.release)} answered itself"
            out.say(f"  careful: {what} are answered otherwise now than they were")
    out.say(_conclusion(found))


def _swap(found: Bisection, swap: Swap) -> str:
    why = f" ({swap.why})" if swap.why else ""
    if swap.effect is None or swap.said == "inseparable":
        return f"could not be swapped alone{why}"
    behind = f", made of other {', '.join(swap.because)}" if swap.because else ""
    if swap.said == "unchanged":
        return f"changed nothing{behind}{why}"
    ends = [f"{one.value:+.4f}" for one in (swap.alone, swap.last) if one is not None]
    both = f" ({ends[0]} in A, {ends[1]} in B)" if len(ends) == 2 and swap.alone != swap.last else ""
    if swap.said == "moved":
        return f"{_moved(found, swap.effect)}{both}{behind}{why}"
    more = f"; about {swap.still_needed:,} more rows would tell" if swap.still_needed else ""
    return f"not told: {_range(found, swap.effect)}{both}{behind}{why}{more}"


def _moved(found: Bisection, effect: Interval) -> str:
    """As `lost 6.0 points ± 2.0`, or the range that holds the truth."""
    if not (effect.low > 0 or effect.high < 0):
        return f"no difference shown, {_range(found, effect)}"
    gained = (effect.value > 0) == (found.better == "higher")
    scale, unit, digits = (100, " points", 1) if found.in_points else (1, "", 4)
    reach = max(effect.high - effect.value, effect.value - effect.low)
    return f"{'gained' if gained else 'lost'} {abs(effect.value) * scale:.{digits}f}{unit} ± {reach * scale:.{digits}f}"


def _range(found: Bisection, effect: Interval) -> str:
    scale, unit, digits = (100, " points", 1) if found.in_points else (1, "", 4)
    return f"between {effect.low * scale:+.{digits}f} and {effect.high * scale:+.{digits}f}{unit}"


def _conclusion(found: Bisection) -> str:
    """The sentence that somebody at night reads."""
    parted = found.parted
    if not parted.moved:
        if parted.decided:
            return f"no component changed {found.metric}"
        return f"no component can be shown to have moved {found.metric} on these rows"
    words = [f"the {swap.component} {_moved(found, swap.effect)}" for swap in parted.moved if swap.effect]
    least = min(abs(end) for swap in parted.moved[:1] if swap.effect for end in (swap.effect.low, swap.effect.high))
    open_ = []
    for swap in parted.swaps:
        effect = swap.effect
        if swap.said == "unchanged":
            words.append(f"not the {swap.component}")
        elif swap.said == "undecided" and effect and max(abs(effect.low), abs(effect.high)) < least:
            words.append(f"not the {swap.component} ({_range(found, effect)})")
        elif swap.said != "moved":
            open_.append(swap.component)
    return ", ".join(words) + (f"; what the {' and the '.join(open_)} did is not told" if open_ else "")

"""The DAG as a whole: a task for each step, or, for a pipeline that is too large for one object, with fewer tasks.

What is lost then is how closely Argo follows the pipeline, and nothing of what is run.
"""

from __future__ import annotations

from collections.abc import Sequence

from shipway.deploy._argo_pod import Limits, limits_of, models_template
from shipway.deploy._argo_tasks import (
    Drawn,
    after_all,
    asked_steps,
    draw_items,
    draw_row,
    draw_unit,
    task_names,
    task_of,
    when,
)
from shipway.deploy._subject import MODELS, Subject
from shipway.deploy._units import Unit, levels_of

MOST_IN_A_ROW = 50  # steps of one pod: what is made is kept, so that another attempt goes on where one was cut off


def draw(subject: Subject, units: Sequence[Unit], *, folded: bool = False, narrow: int = 0) -> Drawn:
    """The tasks of all units and that of the models. folded: steps of one level that are asked for the same become one task
    with an item each; narrow: where a level has so few, several levels become one pod. Raises CannotExpress, NamesCollide.
    """
    drawn = Drawn(subject, task_names(units), asked_steps(units))
    if folded:
        _draw_levels(drawn, levels_of(units), narrow=narrow)
    else:
        for unit in units:
            draw_unit(drawn, unit)
    needed = {drawn.home[need] for unit in units for need in unit.needs if drawn.home[need] != drawn.home[unit.name]}
    ends = dict.fromkeys(home for home in drawn.home.values() if home not in needed)
    drawn.tasks.append({**task_of(MODELS, drawn.template(models_template(subject))), **after_all(ends)})
    return drawn


def _draw_levels(drawn: Drawn, levels: Sequence[Sequence[Unit]], *, narrow: int) -> None:
    """Level by level: what cannot be folded as it is, the others as items of one task. A step then waits for the whole
    tasks of what it needs. narrow: levels of at most so many steps are put into one pod with those that follow.
    """
    row: list[Unit] = []
    for number, level in enumerate(levels, 1):
        alone = [unit for unit in level if not _plain(drawn, unit)]
        plain = [unit for unit in level if _plain(drawn, unit)]
        if not alone and len(level) <= narrow and all(not unit.conditions for unit in level):
            limits = {limits_of(unit) for unit in (*row, *level)}
            if row and (len(limits) > 1 or len(row) + len(level) > MOST_IN_A_ROW):
                _end_row(drawn, row)
            row += level
            continue
        _end_row(drawn, row)
        for unit in alone:
            draw_unit(drawn, unit)
        _draw_level(drawn, number, plain)
    _end_row(drawn, row)


def _plain(drawn: Drawn, unit: Unit) -> bool:
    """One step, neither repeated nor asked for its value."""
    (first, *more) = unit.tasks
    return not more and not first.repeated and first.name not in drawn.asked


def _end_row(drawn: Drawn, row: list[Unit]) -> None:
    """Steps of one row have the same limits; as one pod they have the time of all of them."""
    if not row:
        return
    limits = limits_of(Unit("", tuple(task for unit in row for task in unit.tasks), (), ()))
    draw_row(drawn, _free_name(drawn, f"row-{len(drawn.tasks) + 1}"), limits, row)
    row.clear()


def _draw_level(drawn: Drawn, number: int, units: Sequence[Unit]) -> None:
    kinds: dict[tuple[Limits, str], list[Unit]] = {}
    for unit in units:
        kinds.setdefault((limits_of(unit), str(when(drawn, unit).get("when", ""))), []).append(unit)
    for part, ((limits, _), same) in enumerate(kinds.items(), 1):
        if len(same) == 1:
            draw_unit(drawn, same[0])
        else:
            name = _free_name(drawn, f"level-{number}" if len(kinds) == 1 else f"level-{number}-{part}")
            draw_items(drawn, name, limits, same, when(drawn, same[0]))


def _free_name(drawn: Drawn, name: str) -> str:
    """A name that no step has: the steps' own come first."""
    while name in drawn.names.values():
        name += "-all"
    return name

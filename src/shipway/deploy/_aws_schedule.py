"""Schedules as EventBridge Scheduler writes them, checked here: AWS says that one is wrong when it is too late."""

from __future__ import annotations

import re

from shipway.deploy._errors import CannotExpress
from shipway.spec import ScheduleSpec, parse_cron

_RATE = re.compile(r"rate\((1 (?:minute|hour|day)|(?:[2-9]|[1-9][0-9]+) (?:minutes|hours|days))\)")
_CRON = re.compile(r"cron\(([^ ()]+) ([^ ()]+) ([^ ()]+) ([^ ()]+) ([^ ()]+) ([^ ()]+)\)")
_PART = re.compile(r"([0-9]+)(?:-([0-9]+))?(?:/([0-9]+))?|\*(?:/([0-9]+))?")
_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (1, 7), (1970, 2199))
_DAY, _WEEKDAY = 2, 4


def aws_expression(schedule: ScheduleSpec, *, target: str) -> str:
    """`cron(...)` or `rate(...)` of a schedule. Raises CannotExpress for a day of the month and of the week at once.

    >>> aws_expression(ScheduleSpec(cron="30 4 * * mon-tue"), target="stepfunctions")
    'cron(30 4 ? * 2,3 *)'
    """
    expression = _rate(int(schedule.every)) if schedule.every else _cron(schedule.cron or "", target)
    problem = expression_problem(expression)
    if problem:
        raise CannotExpress(f"{target} cannot say {schedule.cron or schedule.every}: {problem}", mend="another schedule")
    return expression


def expression_problem(text: str) -> str | None:
    """Why EventBridge Scheduler would refuse or never fire an expression of the kinds that we write; None when it would not.

    >>> expression_problem("cron(0 4 * * 1 *)"), expression_problem("rate(1 hours)"), expression_problem("garbage(1)")
    ('one of day of the month and day of the week is ?', 'no rate or cron expression', 'no rate or cron expression')
    """
    if _RATE.fullmatch(text):
        return None
    match = _CRON.fullmatch(text)
    if match is None:
        return "no rate or cron expression"
    fields = match.groups()
    if (fields[_DAY] == "?") == (fields[_WEEKDAY] == "?"):
        return "one of day of the month and day of the week is ?"
    for number, (field, (low, high)) in enumerate(zip(fields, _RANGES, strict=True)):
        if field == "?" and number in (_DAY, _WEEKDAY):
            continue
        if not all(_legal(part, low, high) for part in field.split(",")):
            return f"{field} is not from {low} to {high}"
    return None


def _legal(part: str, low: int, high: int) -> bool:
    match = _PART.fullmatch(part)
    if match is None:
        return False
    numbers = [int(number) for number in match.groups()[:2] if number]
    steps = [int(number) for number in match.groups()[2:] if number]
    return (
        all(low <= number <= high for number in numbers)
        and numbers == sorted(numbers)
        and all(0 < step <= high for step in steps)
    )


def _rate(seconds: int) -> str:
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds % length == 0:
            count = seconds // length
            return f"rate({count} {unit}{'' if count == 1 else 's'})"
    raise AssertionError(seconds)  # the spec takes whole minutes only


def _cron(text: str, target: str) -> str:
    cron = parse_cron(text)
    if cron.day and cron.weekday:
        what = f"{target} has no schedule for a day of the month or a day of the week, whichever comes: {text}"
        raise CannotExpress(what, mend="one of the two is `*`")
    minute, hour, month = (_listed(field) for field in (cron.minute, cron.hour, cron.month))
    day = "?" if cron.weekday else _listed(cron.day)
    weekday = _listed(tuple(value + 1 for value in cron.weekday)) if cron.weekday else "?"  # Sunday is 1 there
    return f"cron({minute} {hour} {day} {month} {weekday} *)"


def _listed(field: tuple[int, ...] | None) -> str:
    return "*" if field is None else ",".join(map(str, field))

"""What a process has done, divided among the predictors in it: each says in its own log what its answers took."""

from __future__ import annotations

from collections.abc import Sequence

from shipway.serve._predictor import Predictor


class Work:
    """Divides the processor time of this process among predictors, as divide() does. The first is the live release's."""

    def __init__(self, predictors: Sequence[Predictor]) -> None:
        self._predictors = tuple(predictors)
        self._cpu = 0.0
        self._rows, self._spent = [0] * len(self._predictors), [0.0] * len(self._predictors)
        self._theirs = [0.0] * len(self._predictors)

    def record(self, cpu_seconds: float, usd_per_hour: float | None) -> None:
        """Into each log what was done since the last time. cpu_seconds: of this process, since it began."""
        rows = [one.recorder.rows if one.recorder else 0 for one in self._predictors]
        spent = [one.spent for one in self._predictors]
        new = [now - before for now, before in zip(rows, self._rows, strict=True)]
        took = [now - before for now, before in zip(spent, self._spent, strict=True)]
        parts = divide(cpu_seconds - self._cpu, rows=new, spent=took)
        self._cpu, self._rows, self._spent = cpu_seconds, rows, spent
        for number, (predictor, part) in enumerate(zip(self._predictors, parts, strict=True)):
            self._theirs[number] += part
            if predictor.recorder:
                predictor.recorder.record_work(self._theirs[number], usd_per_hour)


def divide(cpu: float, *, rows: Sequence[int], spent: Sequence[float]) -> list[float]:
    """Processor seconds of a process, for each of its models: what its calls took, and of the rest a part by rows.

    spent: seconds of the clock in calls of each; where they are more than the process was given, they are the measure alone.
    What nobody asked for is the first one's.

    >>> divide(10.0, rows=[300, 100], spent=[2.0, 4.0])
    [5.0, 5.0]
    >>> divide(3.0, rows=[300, 100], spent=[2.0, 4.0])
    [1.0, 2.0]
    >>> divide(1.0, rows=[0, 0], spent=[0.0, 0.0])
    [1.0, 0.0]
    """
    calls, asked = sum(spent), sum(rows)
    if calls > cpu > 0:
        return [cpu * one / calls for one in spent]
    if not asked:
        return [cpu - calls + spent[0], *spent[1:]]
    return [took + (cpu - calls) * share / asked for took, share in zip(spent, rows, strict=True)]

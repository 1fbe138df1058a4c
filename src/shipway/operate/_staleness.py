"""Staleness: whether a challenger that was just made is better than live on the same rows. A ticket, never a page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from shipway.kernel.check import Check, Verdict
from shipway.kernel.digest import Digest, short
from shipway.monitor import Finding, Reading, keep_reading, limits_of, undecided
from shipway.operate._control import attester
from shipway.operate._measured import Measured
from shipway.pipeline import Hands
from shipway.release import monitors_of, release_descriptor
from shipway.spec import MonitorSpec

STALENESS = "staleness"
_BETTER = {
    "auc": (1.0, "ranks {} AUC {}"),
    "accuracy": (1.0, "has {} accuracy {}"),
    "relative_mae": (-1.0, "has {} of live's mean absolute error {}"),
}
"""Of what a model may answer the metric that is judged: on which side it is better, and how that is told."""


def keep_staleness(hands: Hands, ref: str, challenger: Digest, measured: Sequence[Measured]) -> Reading | None:
    """Keeps what the comparison of a challenger with live says of live; None where nothing is live or the monitor is off.

    measured: of the challenger, as check_candidate has it. Value: by how much it is better on the rows that live answered, in
    AUC, in accuracy of several classes, or of a number as a share of live's mean absolute error. Each look is of the challenger
    of that day: one that was compared and is not surely better ends the ticket of the one before.
    """
    store, found = hands.store, hands.store.ref(ref)
    if found is None:
        return None
    deployment = store.get(found.digest, "deployment")
    monitor = monitors_of(deployment).get(STALENESS)
    if monitor is None:
        return None
    now = store.clock.now()
    finding = judge_staleness(monitor, challenger, measured, on=now.date())
    release = release_descriptor(deployment).digest
    return keep_reading(
        store, ref, STALENESS, finding.check, severity=finding.severity, release=release, detail={"challenger": challenger},
        now=now, window=monitor.window, attest_checks=attester(store, hands.signer),
        undecided_ends=finding.check.value is not None,
    )  # fmt: skip


def judge_staleness(monitor: MonitorSpec, challenger: Digest, measured: Sequence[Measured], *, on: date) -> Finding:
    """Fails when the challenger is surely better by more than a threshold; passes when it surely is not.

    on: the day of the comparison, which is told. Without a value where nothing could be compared.
    """
    paired = next((one.check for one in measured if one.against and one.check.name in _BETTER), None)
    if paired is None or paired.value is None or paired.low is None or paired.high is None:
        why = "live has no rows with outcomes that it was not trained on"
        return undecided(monitor, f"challenger {short(challenger)} could not be compared on {on}: {why}")
    side, words = _BETTER[paired.name]
    value, (low, high) = side * paired.value, sorted((side * paired.low, side * paired.high))
    better = f"challenger {short(challenger)}, compared on {on}, {words.format(f'{value:+.3f}', f'[{low:+.3f}, {high:+.3f}]')}"
    limits = limits_of(monitor)
    over = next(((severity, limit) for severity, limit in limits if low > limit), None)
    severity, limit = over or (limits[0][0], limits[-1][1])
    verdict = Verdict.FAIL if over else Verdict.PASS if high <= limit else Verdict.INCONCLUSIVE
    text = f"{better} better than live on the same {paired.n or 0:,} rows"
    return Finding(severity, Check(STALENESS, verdict, value, low, high, limit, paired.n, text=text))

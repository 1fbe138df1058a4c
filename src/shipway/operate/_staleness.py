"""Staleness: whether a challenger that was just made ranks better than live on the same rows. A ticket, never a page."""

from __future__ import annotations

from collections.abc import Sequence

from shipway.kernel.check import Check, Verdict
from shipway.kernel.digest import Digest, short
from shipway.monitor import Finding, Reading, keep_reading, limits_of, undecided
from shipway.operate._control import attester
from shipway.operate._measured import Measured
from shipway.pipeline import Hands
from shipway.release import monitors_of, release_descriptor
from shipway.spec import MonitorSpec

STALENESS = "staleness"


def keep_staleness(hands: Hands, ref: str, challenger: Digest, measured: Sequence[Measured]) -> Reading | None:
    """Keeps what the comparison of a challenger with live says of live; None where nothing is live or the monitor is off.

    measured: of the challenger, as check_candidate has it. Value: AUC of the challenger minus AUC of live on the rows that
    live answered.
    """
    store, found = hands.store, hands.store.ref(ref)
    if found is None:
        return None
    deployment = store.get(found.digest, "deployment")
    monitor = monitors_of(deployment).get(STALENESS)
    if monitor is None:
        return None
    finding = judge_staleness(monitor, challenger, measured)
    release = release_descriptor(deployment).digest
    return keep_reading(
        store, ref, STALENESS, finding.check, severity=finding.severity, release=release, detail={"challenger": challenger},
        now=store.clock.now(), window=monitor.window, attest_checks=attester(store, hands.signer),
    )  # fmt: skip


def judge_staleness(monitor: MonitorSpec, challenger: Digest, measured: Sequence[Measured]) -> Finding:
    """Fails when the challenger is surely better by more than a threshold; passes when it surely is not."""
    paired = next((one.check for one in measured if one.against and one.check.name == "auc"), None)
    if paired is None or paired.value is None or paired.low is None or paired.high is None:
        return undecided(
            monitor,
            f"challenger {short(challenger)} could not be compared: live has no rows with outcomes that it was not trained on",
        )
    better = f"challenger {short(challenger)} ranks {paired.value:+.3f} AUC [{paired.low:+.3f}, {paired.high:+.3f}]"
    limits = limits_of(monitor)
    over = next(((severity, limit) for severity, limit in limits if paired.low > limit), None)
    severity, limit = over or (limits[0][0], limits[-1][1])
    verdict = Verdict.FAIL if over else Verdict.PASS if paired.high <= limit else Verdict.INCONCLUSIVE
    text = f"{better} better than live on the same {paired.n or 0:,} rows"
    return Finding(severity, Check(STALENESS, verdict, paired.value, paired.low, paired.high, limit, paired.n, text=text))

"""Verification from the first byte to the last statement: what `shipway verify` does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from shipway.access import KeyRing
from shipway.kernel.canonical import JsonObject
from shipway.kernel.check import Verdict, worst
from shipway.kernel.clock import Clock
from shipway.kernel.digest import Digest
from shipway.kernel.errors import ShipwayError
from shipway.release._layout import Bundle
from shipway.release._verify import Hashed, hash_bundle
from shipway.release._verify_shadow import open_shadow, signed_verdicts
from shipway.release._verify_statements import (
    Answer,
    Said,
    check_statements,
    first_revoked,
    first_wrong,
    judge_freight,
    missing,
)


@dataclass(frozen=True, slots=True)
class Passed:
    """A verdict that moved a ref to the release, of which a trusted key has signed a summary."""

    release: Digest
    verdict: Digest
    record: JsonObject


@dataclass(frozen=True, slots=True)
class Verification:
    """What holds, and the first thing that is wrong. unchecked: statements that nobody could check, since no key is trusted
    here. answers: one for each release, when a deployment was named.
    """

    hashed: Hashed
    said: tuple[Said, ...]
    passed: tuple[Passed, ...]
    answers: tuple[Answer, ...]
    unchecked: int
    wrong: ShipwayError | None

    @property
    def verdict(self) -> Verdict:
        if self.wrong:
            return Verdict.FAIL
        judged = [answer.verdict for answer in self.answers]
        return worst([*judged, Verdict.INCONCLUSIVE if self.unchecked else Verdict.PASS])


def verify_bundle(
    bundle: Bundle,
    keys: KeyRing,
    *,
    ref: str | None = None,
    clock: Clock | None = None,
    report: Callable[[int], None] | None = None,
) -> Verification:
    """Hash every byte, check every statement; with ref (`deploy/APP@ENV`), judge by the policy that came along.

    report: called with bytes done, by two threads. Raises BundleDamaged for the first byte that is wrong.
    """
    hashed = hash_bundle(bundle, report=report)
    with open_shadow(bundle, clock=clock) as store:
        said = check_statements(bundle, store, keys)
        passed = tuple(
            Passed(freight.release.digest, digest, record)
            for freight in bundle.freights
            for digest, record in signed_verdicts(bundle, freight, store, keys)
        )
        wrong: ShipwayError | None = first_wrong(said, keys=keys, judged=ref is not None)
        wrong = wrong or first_revoked(bundle.freights, store, keys)
        answers = () if ref is None or wrong else tuple(judge_freight(bundle, f, store, keys, ref=ref) for f in bundle.freights)
    failed = next((answer for answer in answers if answer.verdict is Verdict.FAIL), None)
    unchecked = 0 if keys.keys else len(said)
    return Verification(hashed, said, passed, answers, unchecked, wrong or (missing(failed) if failed else None))

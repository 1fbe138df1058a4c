"""Projections of embeddings, of which there are many: one finding tells of all. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from shipway.data import Profile, described_name, is_projection
from shipway.kernel.check import Verdict
from shipway.monitor._verdict import Finding

_LOUDEST = (Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.FAIL)


def projection_groups(reference: Profile) -> dict[str, frozenset[str]]:
    """`COLUMN.projection` of each described column that has some, and the columns of a profile that these are."""
    found = {}
    for source, rule in reference.described.items():
        if names := frozenset(described_name(source, part) for part in rule.names if is_projection(part)):
            found[described_name(source, "projection")] = names
    return found


def fold_projections(findings: Sequence[Finding], monitor: str, reference: Profile) -> list[Finding]:
    """The findings of drift with one for all projections of a column: the worst, which says how many have drifted."""
    left, folded = list(findings), []
    for group, names in projection_groups(reference).items():
        members = {f"{monitor}.{name}" for name in names}
        held = [finding for finding in left if finding.check.name in members]
        if not held:
            continue
        left = [finding for finding in left if finding.check.name not in members]
        worst = max(held, key=lambda one: (_LOUDEST.index(one.check.verdict), one.check.value or 0.0))
        moved = sum(one.check.verdict is Verdict.FAIL for one in held)
        words = f"{moved} of {len(held)} projections have drifted" if moved else worst.check.text
        folded.append(replace(worst, check=replace(worst.check, name=f"{monitor}.{group}", text=words)))
    return [*left, *folded]


def told_names(names: Collection[str], psi: Mapping[str, float | None], reference: Profile) -> dict[str, str]:
    """Under which name each column is told; of each group of projections the one that moved most, under that of the group."""
    told = {name: name for name in names}
    for group, members in projection_groups(reference).items():
        held = sorted(members & told.keys(), key=lambda name: (psi[name] or 0.0, name))
        told = {name: shown for name, shown in told.items() if name not in members} | dict.fromkeys(held[-1:], group)
    return told

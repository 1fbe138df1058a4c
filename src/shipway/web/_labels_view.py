"""What is known of labels, from measurements to what a template draws: coverage, bias, the maturity curve. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from shipway.monitor import Labels
from shipway.web._labels import KnownLabels
from shipway.web._window_view import Drawing, age_words, draw_arrivals
from shipway.web._words import ReleaseName, number, release_name


@dataclass(frozen=True, slots=True)
class LabelRow:
    """One arm of a release. coverage: of the mature predictions; bias: scores with against without a label; notable: surely,
    and by enough to matter; ambiguous: how many can have none, empty where all can; arrived: the maturity curve in words.
    """

    release: ReleaseName
    arm: str
    share: str
    coverage: str
    bias: str
    interval: str
    notable: bool
    ambiguous: str
    arrived: str


@dataclass(frozen=True, slots=True)
class LabelsView:
    """Rows by release and arm, the curve of the newest with one, and why nothing can be told where that is so."""

    rows: tuple[LabelRow, ...]
    curve: Drawing | None
    problem: str


def make_labels_view(known: KnownLabels) -> LabelsView:
    """The arm with the most rows is drawn."""
    drawn = max(known.labels, key=lambda one: one.rows, default=None)
    curve = draw_arrivals(drawn.curve, "share of predictions with a label by their age") if drawn else None
    return LabelsView(tuple(_row(one) for one in known.labels), curve, known.problem)


def _row(one: Labels) -> LabelRow:
    bias = one.bias
    return LabelRow(
        release=release_name(one.release),
        arm=one.arm,
        share=f"{one.labels / one.mature:.1%}" if one.mature else "",
        coverage=f"{one.labels:,} of {one.mature:,} mature predictions have a label, of {one.rows:,}",
        bias=f"KS {number(bias.ks)}, PSI {number(bias.psi)}" if bias else "",
        interval=f"[{number(bias.low)}, {number(bias.high)}]" if bias else "",
        notable=bool(bias and bias.notable),
        ambiguous=f"{one.ambiguous:,}" if one.ambiguous else "",
        arrived=", ".join(f"{point.share:.0%} by {age_words(point.age)}" for point in one.curve[-4:]),
    )

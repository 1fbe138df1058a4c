"""A window of predictions, drawn: the view model of its page. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from shipway.kernel.canonical import JsonObject

WIDTH, HEIGHT = 1050, 80  # of the drawings over days and over ages
_DOTS, _POINTS = 60, 400  # of a line: beyond the first it has no dots, beyond the second not every day
_CHECKS, _NAME = 60, 80  # rows of checks, and letters of a name: the page of any table stays small
_TONES = {"pass": "good", "fail": "bad", "inconclusive": "quiet"}


@dataclass(frozen=True, slots=True)
class Line:
    """points: of a polyline in a box of WIDTH x HEIGHT; dots: its single points."""

    name: str
    tone: str
    points: str
    dots: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class Drawing:
    """Lines over one axis; first, last: what its ends are called; top: what its upper end is."""

    title: str
    note: str
    lines: tuple[Line, ...]
    first: str
    last: str
    top: str


@dataclass(frozen=True, slots=True)
class Shape:
    """A feature: its distances as text, and pairs of bars in pixels with what each stands for."""

    name: str
    verdict: str
    text: str
    bars: tuple[tuple[float, float, float, float, str], ...]


@dataclass(frozen=True, slots=True)
class WindowView:
    tone: str
    word: str
    title: str
    notes: tuple[str, ...]
    checks: tuple[tuple[str, str, str, str, str], ...]
    expected: tuple[tuple[str, str, str, str], ...]
    assumed: str
    drawings: tuple[Drawing, ...]
    shapes: tuple[Shape, ...]
    more: str


def make_window_view(document: JsonObject) -> WindowView:
    found: Any = document
    window, coverage, maturity = found["window"], found["coverage"], found["maturity"]
    span = f"{window['first'][:10]} to {window['last'][:10]}" if window["first"] else "no times"
    notes = [f"{window['rows']:,} predictions, {span}, against {window['reference_rows']:,} rows of the reference"]
    if window["weighted_rows"] != window["rows"]:
        notes.append(f"their weights stand for {window['weighted_rows']:,}")
    notes.append(coverage["text"])
    if window["untimed"] or window["mistimed"]:
        odd = f"{window['untimed']:,} rows without a time and {window['mistimed']:,} of the future are left out"
        notes.append(odd)
    notes.extend(_short(note, 3 * _NAME) for note in found.get("notes", ()))
    failing = {check["name"].removeprefix("drift.") for check in found["checks"] if check["verdict"] == "fail"}
    checks = [check for check in found["checks"] if not check["name"].startswith("drift.")]
    if len(checks) > _CHECKS:
        notes.append(f"{len(checks) - _CHECKS} more checks are in the JSON")
    drawn = [_shape(feature, failing) for feature in found["features"] if "words" in feature]
    left = len(found["features"]) - len(drawn)
    return WindowView(
        tone=_TONES[found["verdict"]],
        word={"pass": "Passes", "fail": "Fails", "inconclusive": "Cannot tell yet"}[found["verdict"]],
        title=_short(str(found["predictions"]), 3 * _NAME),
        notes=tuple(notes),
        checks=tuple(_check(check) for check in checks[:_CHECKS]),
        expected=tuple(_expected(*metric) for metric in found["estimated"]["metrics"].items()),
        assumed=_assumed(found["estimated"]),
        drawings=tuple(drawing for drawing in (_rates(found["days"]), _score(found["days"]), _curve(maturity)) if drawing),
        shapes=tuple(drawn),
        more=f"{left} more features drifted less; the JSON has their distances" if left else "",
    )


def _check(check: Any) -> tuple[str, str, str, str, str]:
    number = "" if check.get("value") is None else f"{check['value']:.3f}"
    if check.get("low") is not None and check.get("high") is not None:
        number += f" [{check['low']:.3f}, {check['high']:.3f}]"
    against = "" if check.get("threshold") is None else f"{check['threshold']:g}"
    quiet = {"report": "", "inform": "informs" if check["verdict"] == "fail" else check["verdict"]}
    verdict = quiet.get(check["severity"], check["verdict"])
    return _short(check["name"]), verdict, number, against, _short(check.get("text") or "", 3 * _NAME)


def _expected(name: str, metric: Any) -> tuple[str, str, str, str]:
    """Its name, and what it is expected to be, was in the reference and is where labels are."""
    values = (metric[side] for side in ("estimated", "reference", "realised"))
    one, other, last = ("" if value is None else f"{value:,.4g}" for value in values)
    return name, one, other, last


def _assumed(estimated: Any) -> str:
    if not estimated["metrics"]:
        return str(estimated["text"])
    like = f"{estimated['supported']:.1%} of {estimated['rows']:,} rows are like rows of the reference"
    return "; ".join(part for part in (estimated["assumes"], like, estimated["learner"]) if part)


def _short(text: str, most: int = _NAME) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _rates(days: list[Any]) -> Drawing | None:
    series = {"predicted": "accent", "realised": "bad"}
    return _over_days(days, series, "Predicted and realised rate by day", "of the rows with a label", lambda top: f"{top:.1%}")


def _score(days: list[Any]) -> Drawing | None:
    note = "population stability index of each day's scores against the reference"
    return _over_days(days, {"psi": "accent"}, "Drift of the predictions by day", note, lambda top: f"{top:.3f}")


def _over_days(days: list[Any], series: dict[str, str], title: str, note: str, words: Callable[[float], str]) -> Drawing | None:
    values = [day[name] for day in days for name in series if day[name] is not None]
    if len(values) < 2:
        return None
    top = max(values) * 1.1 or 1.0
    lines = []
    for name, tone in series.items():
        known = [(place, day) for place, day in enumerate(days) if day[name] is not None]
        if not known:
            continue
        known = known[:: -(-len(known) // _POINTS)]
        places = [place / max(1, len(days) - 1) for place, _ in known]
        said = [f"{day['day']}: {name} {day[name]:.4g}, labels {day['labels']:,} of {day['rows']:,}" for _, day in known]
        lines.append(_line(name, tone, places, [day[name] / top for _, day in known], said))
    return Drawing(title, note, tuple(lines), days[0]["day"], days[-1]["day"], words(top))


def _curve(maturity: Any) -> Drawing | None:
    how = "by this curve" if maturity["estimated"] else "as declared"
    note = f"share of predictions with a label by their age; labels count after {age_words(maturity['matures_seconds'])}, {how}"
    return draw_arrivals([(point["age_seconds"], point["share"], point["rows"]) for point in maturity["curve"]], note)


def draw_arrivals(curve: Sequence[tuple[float, float, int]], note: str) -> Drawing | None:
    """curve: age in seconds, the share with a label by then, the rows that reached it; ages are far apart, so they stand side
    by side. None for fewer than two.
    """
    if len(curve) < 2:
        return None
    places = [place / (len(curve) - 1) for place in range(len(curve))]
    said = [f"{age_words(age)}: {share:.1%} of {rows:,} rows" for age, share, rows in curve]
    line = _line("arrived", "accent", places, [share for _, share, _ in curve], said)
    return Drawing("How labels arrive", note, (line,), age_words(curve[0][0]), age_words(curve[-1][0]), "100%")


def _line(name: str, tone: str, places: Sequence[float], heights: Sequence[float], said: Sequence[str]) -> Line:
    at = [(f"{x * WIDTH:.1f}", f"{HEIGHT * (1 - y):.1f}") for x, y in zip(places, heights, strict=True)]
    dots = tuple((x, y, text) for (x, y), text in zip(at, said, strict=True)) if len(at) <= _DOTS else ()
    return Line(name, tone, " ".join(f"{x},{y}" for x, y in at), dots)


def age_words(seconds: float) -> str:
    """`28 d`, `6 h`."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"


def _shape(feature: Any, failing: set[str]) -> Shape:
    shares = feature["reference"] + feature["current"]
    top = max([*shares, 1e-9])
    width = 240 / len(feature["words"])
    rows = enumerate(zip(feature["words"], feature["reference"], feature["current"], strict=True))
    bars = tuple(
        (round(width * at, 2), round(width * 0.9, 2), round(44 * was / top, 1), round(44 * now / top, 1), _said(word, was, now))
        for at, (word, was, now) in rows
    )
    said = [f"{label} {feature[key]:.3f}" for key, label in _DISTANCES.items() if feature[key] is not None]
    return Shape(_short(feature["name"]), "fail" if feature["name"] in failing else "pass", ", ".join(said), bars)


_DISTANCES = {"psi": "PSI", "wasserstein": "Wasserstein", "ks": "KS", "jensen_shannon": "JS"}


def _said(word: str, was: float, now: float) -> str:
    return f"{word}: {was:.1%}, now {now:.1%}"

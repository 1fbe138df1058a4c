"""A profile: what a window of rows looks like, in counts and sums over edges that its reference fixed.

Profiles of one reference add up: the profile of a month is the sum of its hours, and no row is read twice.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import cast

from shipway.data._answers import AnswerProfile, answers_from_json
from shipway.data._category import CategoryProfile, category_from_json
from shipway.data._described import Rule, described_name, rule_from_json
from shipway.data._errors import ProfileMismatch
from shipway.data._numeric import NumericProfile, numeric_from_json
from shipway.data._scores import OutcomeProfile, ScoreProfile, outcomes_from_json, score_from_json
from shipway.data._text import TextRule
from shipway.kernel.canonical import Json, JsonObject

ColumnProfile = NumericProfile | CategoryProfile


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """`rows` rows; a column with a smaller n was absent in some of them. score and outcomes: None if never given.

    answers: of a model that answers a number or several classes, those whose truth is known; predictions: every answer of
    such a model, as columns. described: of a reference, the columns that stand in `columns` as their descriptors,
    `NAME.DESCRIPTOR` each.
    """

    rows: int
    columns: Mapping[str, ColumnProfile] = field(default_factory=dict)
    score: ScoreProfile | None = None
    outcomes: OutcomeProfile | None = None
    answers: AnswerProfile | None = None
    predictions: Mapping[str, ColumnProfile] = field(default_factory=dict)
    described: Mapping[str, Rule] = field(default_factory=dict)

    @property
    def plain(self) -> Collection[str]:
        """The columns that are profiled as they are: those of `columns` that are no descriptors."""
        made = {described_name(name, part) for name, rule in self.described.items() for part in rule.names}
        return [name for name in self.columns if name not in made]

    @property
    def texts(self) -> Collection[str]:
        """The columns that are profiled as texts."""
        return [name for name, rule in self.described.items() if isinstance(rule, TextRule)]

    @property
    def sources(self) -> Collection[str]:
        """The columns of a table that this is of, whichever way they are profiled."""
        return [*self.plain, *self.described]

    def to_json(self) -> JsonObject:
        """The object that a store keeps; bins without rows are left out."""
        return {
            "kind": "profile",
            "version": 1,
            "rows": self.rows,
            "columns": _columns_to_json(self.columns),
            "score": self.score.to_json() if self.score else None,
            "outcomes": self.outcomes.to_json() if self.outcomes else None,
            **({"answers": self.answers.to_json()} if self.answers else {}),
            **({"predictions": _columns_to_json(self.predictions)} if self.predictions else {}),
            **({"described": {name: rule.to_json() for name, rule in self.described.items()}} if self.described else {}),
        }

    @classmethod
    def from_json(cls, record: JsonObject) -> Profile:
        """Raises ProfileMismatch for what is no profile of version 1."""
        if record.get("kind") != "profile" or record.get("version") != 1:
            raise ProfileMismatch("this record is no profile of version 1")
        try:
            columns, predictions = record["columns"], record.get("predictions") or {}
            score, outcomes = cast("JsonObject | None", record["score"]), cast("JsonObject | None", record["outcomes"])
            answers = cast("JsonObject | None", record.get("answers"))
            described = cast("Mapping[str, JsonObject]", record.get("described") or {})
            return cls(
                int(cast("int", record["rows"])),
                _columns_from_json(columns),
                score_from_json(score) if score else None,
                outcomes_from_json(outcomes) if outcomes else None,
                answers_from_json(answers) if answers else None,
                _columns_from_json(predictions),
                {name: rule_from_json(rule) for name, rule in described.items()},
            )
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as problem:
            raise ProfileMismatch(f"this record is no profile: {problem!r}") from problem


def merge_profiles(*profiles: Profile) -> Profile:
    """The profile of all their rows together; none at all give an empty one. Raises ProfileMismatch.

    A profile of outcomes alone (measure_outcomes) adds labels to the predictions measured before.
    """
    return reduce(_merge, profiles) if profiles else Profile(0)


def _merge(one: Profile, other: Profile) -> Profile:
    return Profile(
        one.rows + other.rows,
        _united(one.columns, other.columns),
        one.score + other.score if one.score and other.score else one.score or other.score,
        one.outcomes + other.outcomes if one.outcomes and other.outcomes else one.outcomes or other.outcomes,
        one.answers + other.answers if one.answers and other.answers else one.answers or other.answers,
        _united(one.predictions, other.predictions),
        {**other.described, **one.described},
    )


def _united(one: Mapping[str, ColumnProfile], other: Mapping[str, ColumnProfile]) -> Mapping[str, ColumnProfile]:
    columns = dict(one)
    for name, column in other.items():
        columns[name] = _add(name, columns[name], column) if name in columns else column
    return columns


def _add(name: str, one: ColumnProfile, other: ColumnProfile) -> ColumnProfile:
    if isinstance(one, NumericProfile) and isinstance(other, NumericProfile):
        return one + other
    if isinstance(one, CategoryProfile) and isinstance(other, CategoryProfile):
        return one + other
    raise ProfileMismatch(f"column {name} holds numbers in one profile and words in the other", where=name)


def _columns_to_json(columns: Mapping[str, ColumnProfile]) -> JsonObject:
    return {name: column.to_json() for name, column in columns.items()}


def _columns_from_json(records: Json) -> Mapping[str, ColumnProfile]:
    return {name: _column_from_json(record) for name, record in cast("Mapping[str, JsonObject]", records).items()}


def _column_from_json(record: JsonObject) -> ColumnProfile:
    return numeric_from_json(record) if record["type"] == "numeric" else category_from_json(record)

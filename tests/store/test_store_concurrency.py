"""Many who apply at once: one wins each round, everybody is told the truth, and nothing is lost. Real processes throughout."""

from __future__ import annotations

from pathlib import Path

import pytest
from race_help import PROJECT, problems, race
from store_help import new_place


def run(kind: str, root: Path, *, applicants: int, rounds: int) -> None:
    with new_place(kind, root) as place:
        played = race(place.root, place.url, applicants=applicants, rounds=rounds)
        assert problems(place.open(PROJECT), played, applicants=applicants) == []


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_of_many_who_apply_at_once_one_wins_and_no_record_is_lost(kind: str, tmp_path: Path) -> None:
    run(kind, tmp_path, applicants=10, rounds=2)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_of_fifty_who_apply_at_once_one_wins_ten_times_over(kind: str, tmp_path: Path) -> None:
    run(kind, tmp_path, applicants=50, rounds=10)

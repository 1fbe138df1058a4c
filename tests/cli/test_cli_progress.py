"""Progress on a terminal: a real one, since nothing is shown elsewhere."""

from __future__ import annotations

import os
import pty
import re
import sys

import pytest

from shipway.cli._progress import FileReport, RowReport, progress_words


def said_on(terminal: int) -> str:
    """Until the line is cleared at the end: a terminal hands over in pieces."""
    text = ""
    while not text.endswith("\r\033[K"):
        text += os.read(terminal, 4000).decode()
    return text


def test_a_terminal_is_told_the_rate_and_the_time_left_and_a_file_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with FileReport("flights", lambda: 1 // 0) as report:
        report.file("a", 5)
    assert capsys.readouterr().err == ""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        with FileReport("flights", lambda: 90_000_000) as report:
            report.file("a", 30_000_000)
        terminal.flush()
        shown = said_on(ours)
    os.close(ours)
    assert "flights: 1 files, 30 MB of 90 MB" in shown
    assert " left" in shown


def test_rows_are_counted_with_their_rate_also_where_nobody_knows_how_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        monkeypatch.setattr("shipway.cli._progress.REDRAW_SECONDS", 1e-9)
        with RowReport("rows", quiet=True) as report:
            report.rows(1, 2)
        with RowReport("rows") as report:
            for done, total in ((0, 2000), (1000, 2000), (0, None), (3000, None)):
                report.rows(done, total)
        terminal.flush()
        shown = said_on(ours).split("\r")
    os.close(ours)
    assert shown[1].startswith("rows [                              ] 0 of 2,000 rows\033")
    assert re.match(r"rows \[#{15} {15}\] 1,000 of 2,000 rows, [0-9,]+/s, 0 s left", shown[2])
    assert shown[3].startswith("rows 0 rows\033")  # other work, with a rate of its own
    assert re.match(r"rows 3,000 rows, [0-9,]+/s\033", shown[4])


@pytest.mark.parametrize(("seconds", "left"), [(1.0, "119 s left"), (60.0, "119 min left"), (3600.0, "119 h left")])
def test_the_time_left_is_in_words_that_fit(seconds: float, left: str) -> None:
    assert progress_words(10**6, 120 * 10**6, seconds).endswith(left)

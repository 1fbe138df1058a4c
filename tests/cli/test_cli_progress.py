"""Progress on a terminal: a real one, since nothing is shown elsewhere."""

from __future__ import annotations

import os
import pty
import sys

import pytest

from shipway.cli._progress import FileReport, progress_words


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
        shown = os.read(ours, 1000).decode()
    os.close(ours)
    assert "flights: 1 files, 30 MB of 90 MB" in shown
    assert " left" in shown
    assert shown.endswith("\r\033[K")


@pytest.mark.parametrize(("seconds", "left"), [(1.0, "119 s left"), (60.0, "119 min left"), (3600.0, "119 h left")])
def test_the_time_left_is_in_words_that_fit(seconds: float, left: str) -> None:
    assert progress_words(10**6, 120 * 10**6, seconds).endswith(left)

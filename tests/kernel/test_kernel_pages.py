"""Metrics of processes that share one address: added up by whoever is asked, and what the dead have counted stays."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from shipway.kernel.pages import SharedPages, merge_pages

PAGE = """# HELP a_total Calls.
# TYPE a_total counter
a_total{{status="200"}} {0}
# HELP s Seconds.
# TYPE s histogram
s_bucket{{le="1"}} {0}
s_bucket{{le="+Inf"}} {0}
s_sum {1}
s_count {0}
# TYPE queued gauge
queued {0}
# TYPE info gauge
info{{release="{2}"}} 1
"""
OTHER = """
import sys, time
from pathlib import Path
from shipway.kernel.pages import SharedPages
pages = SharedPages(Path(sys.argv[1]))
pages.keep(sys.argv[2])
print("kept", flush=True)
time.sleep(60)
"""


def value(page: str, key: str) -> float:
    (found,) = re.findall(rf"^{re.escape(key)} (.*)$", page, flags=re.MULTILINE)
    return float(found)


@given(st.lists(st.integers(0, 2**40), max_size=5), st.lists(st.integers(0, 2**40), min_size=1, max_size=5))
def test_what_was_counted_is_added_and_gauges_of_the_ended_are_gone(ended: list[int], running: list[int]) -> None:
    pages = [[PAGE.format(n, n / 2, "x") for n in some] for some in (ended, running)]
    whole = merge_pages(*pages, template=pages[1][0], summed=["queued"])
    total = sum(ended) + sum(running)
    for key in ('a_total{status="200"}', 's_bucket{le="1"}', 's_bucket{le="+Inf"}', "s_count"):
        assert value(whole, key) == total
    assert value(whole, "queued") == sum(running)
    assert value(whole, 'info{release="x"}') == 1
    assert [line for line in whole.splitlines() if line.startswith("#")] == [
        line for line in pages[1][0].splitlines() if line.startswith("#")
    ]


def test_series_of_one_page_alone_are_kept_and_the_largest_gauge_counts() -> None:
    one, other = PAGE.format(1, 1, "old"), PAGE.replace("200", "500").format(3, 1, "new")
    whole = merge_pages([], [one, other], template=one)
    assert [value(whole, f'a_total{{status="{code}"}}') for code in (200, 500)] == [1, 3]
    assert [value(whole, f'info{{release="{name}"}}') for name in ("old", "new")] == [1, 1]
    assert value(whole, "queued") == 3
    assert value(merge_pages([], [one, other], template=one, lowest=["queued"]), "queued") == 1


def test_a_process_that_was_killed_stays_counted_and_is_read_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", OTHER, str(tmp_path), PAGE.format(5, 0.5, "x")]
    other = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert other.stdout
    assert other.stdout.readline() == "kept\n"
    mine = SharedPages(tmp_path, summed=["queued"])

    def asked(n: int) -> list[float]:
        whole = mine.whole(PAGE.format(n, 0.5, "x"))
        return [value(whole, key) for key in ('a_total{status="200"}', "s_sum", "queued")]

    assert asked(2) == [7, 1.0, 7]
    other.send_signal(signal.SIGKILL)
    other.communicate()
    assert [asked(n) for n in (2, 2, 3)] == [[7, 1.0, 2], [7, 1.0, 2], [8, 1.0, 3]]
    assert len(list(tmp_path.glob("*.page"))) == 2, "what has ended is one page"
    assert len(list(tmp_path.glob("*.alive"))) == 1


def test_a_folder_that_is_gone_stops_nobody(tmp_path: Path) -> None:
    folder = tmp_path / "pages"
    folder.mkdir()
    mine = SharedPages(folder)
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    page = PAGE.format(1, 1, "x")
    assert mine.whole(page) == page
    assert not folder.exists()

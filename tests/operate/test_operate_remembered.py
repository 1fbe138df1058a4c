"""Completions that were paid for once: what makes two calls the same call, and what a kill or a day takes away."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from shipway.kernel.canonical import canonical_json
from shipway.kernel.digest import Digest, digest_bytes
from shipway.llm import Completion, Message, Usage
from shipway.operate._remembered import Asked, Remembered, _to_json

PROVIDER = digest_bytes(b"provider")
ASKED = Asked(PROVIDER, (Message("system", "Be short."), Message("user", "How old is the bridge?")), 0)
SAID = Completion(
    text="Built in 1893. \u00e9\n\u2028",
    usage=Usage(12, 3, cached=4, estimated=True),
    model="m-1",
    finish="stop",
    seconds=0.25,
    first_token=0.125,
    fingerprint="fp",
)


def kept(path: Path, asked: Asked = ASKED) -> Completion | None:
    with Remembered(path) as found:
        return found.find(asked)


def test_an_answer_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "below" / "completions.jsonl"
    assert kept(path) is None
    with Remembered(path) as remembered:
        remembered.add(ASKED, SAID)
        assert remembered.find(ASKED) == SAID
    assert kept(path) == SAID
    assert path.stat().st_mode & 0o077 == 0, "answers may hold what documents say to few"


@pytest.mark.parametrize(
    "other",
    [
        Asked(digest_bytes(b"another"), ASKED.messages, 0),
        Asked(PROVIDER, ASKED.messages, 1),
        Asked(PROVIDER, ASKED.messages[::-1], 0),
        Asked(PROVIDER, (Message("user", "Be short."), ASKED.messages[1]), 0),
        Asked(PROVIDER, (Message("system", "Be short.How"), Message("user", " old is the bridge?")), 0),
    ],
    ids=["provider", "sample", "order", "role", "border"],
)
def test_whatever_is_asked_otherwise_was_not_asked(tmp_path: Path, other: Asked) -> None:
    path = tmp_path / "completions.jsonl"
    with Remembered(path) as remembered:
        remembered.add(ASKED, SAID)
    assert kept(path, other) is None


def test_a_line_that_a_kill_has_cut_is_asked_again_and_what_follows_is_read(tmp_path: Path) -> None:
    path = tmp_path / "completions.jsonl"
    second = ASKED._replace(sample=1)
    with Remembered(path) as remembered:
        remembered.add(ASKED, SAID)
        remembered.add(second, SAID)
    first, _ = path.read_bytes().splitlines(keepends=True)
    for end in (1, len(first) // 2, len(first) - 2):
        path.write_bytes(first + first[:end])
        assert kept(path) == SAID
        with Remembered(path) as remembered:  # the process after the kill
            remembered.add(second, SAID)
        assert kept(path, second) == SAID, "a whole answer is not lost to the rest of a cut one before it"


@pytest.mark.parametrize("line", [b"[]\n", b"17\n", b'{"at": 1e18}\n', b'{"at": "now", "key": 1}\n', b"\xff\xfe\n", b"\n"])
def test_lines_that_are_none_of_ours_are_left_out(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "completions.jsonl"
    with Remembered(path) as remembered:
        remembered.add(ASKED, SAID)
    path.write_bytes(line + path.read_bytes() + line)
    assert kept(path) == SAID


def test_after_a_day_the_provider_is_asked_anew(tmp_path: Path) -> None:
    path = tmp_path / "completions.jsonl"
    with Remembered(path) as remembered:
        remembered.add(ASKED, SAID)
    with Remembered(path, fresh=-1.0) as later:
        assert later.find(ASKED) is None


def test_again_forgets_what_was_known_and_keeps_what_comes(tmp_path: Path) -> None:
    path = tmp_path / "completions.jsonl"
    with Remembered(path) as remembered:
        remembered.add(ASKED, SAID)
    newer = Completion("Other.", Usage(1, 1), "m-1", "stop", 0.1)
    with Remembered(path, again=True) as remembered:
        assert remembered.find(ASKED) is None
        remembered.add(ASKED, newer)
    assert kept(path) == newer


def test_two_that_write_at_once_do_not_mix_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "completions.jsonl"
    many = 200

    def write(provider: Digest) -> None:
        with Remembered(path) as remembered:
            for sample in range(many):
                remembered.add(Asked(provider, ASKED.messages, sample), SAID)

    writers = [threading.Thread(target=write, args=(digest_bytes(name),)) for name in (b"a", b"b")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    with Remembered(path) as found:
        for name in (b"a", b"b"):
            assert all(found.find(Asked(digest_bytes(name), ASKED.messages, sample)) for sample in range(many))


def test_it_leaves_no_file_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with Remembered(tmp_path / "completions.jsonl"):
        assert len(os.listdir("/proc/self/fd")) == before + 1
    assert len(os.listdir("/proc/self/fd")) == before


def old_line(sample: int) -> bytes:
    """An answer of the day before yesterday."""
    return canonical_json({"at": time.time() - 2 * 86_400, "key": str(sample), "completion": _to_json(SAID)}) + b"\n"


def test_what_is_too_old_is_taken_out_when_nobody_else_has_it_open(tmp_path: Path) -> None:
    path = tmp_path / "completions.jsonl"
    with Remembered(path) as remembered:
        remembered.add(ASKED, SAID)
    one = path.read_bytes()
    many = b"".join(map(old_line, range(50)))
    path.write_bytes(many + one + many)
    with Remembered(path) as first:
        assert path.read_bytes() == one
        first.add(ASKED._replace(sample=1), SAID)
        path.write_bytes(many + path.read_bytes())
        with Remembered(path) as second:
            assert second.find(ASKED) == SAID
            assert path.read_bytes().startswith(many), "somebody else writes there"
            first.add(ASKED._replace(sample=2), SAID)
    for sample in range(3):
        assert kept(path, ASKED._replace(sample=sample)) == SAID
    assert len(path.read_bytes().splitlines()) == 3
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["completions.jsonl"]


def test_opening_and_closing_at_once_loses_no_answer(tmp_path: Path) -> None:
    """Each finds something to take out, and writes while others do."""
    path = tmp_path / "completions.jsonl"

    def write(name: int) -> None:
        for sample in range(30):
            with Remembered(path) as remembered:
                remembered.add(Asked(digest_bytes(bytes([name])), ASKED.messages, sample), SAID)
            with path.open("ab") as out:
                out.write(old_line(sample))

    writers = [threading.Thread(target=write, args=(name,)) for name in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    with Remembered(path) as found:
        for name in range(4):
            asked = [Asked(digest_bytes(bytes([name])), ASKED.messages, sample) for sample in range(30)]
            assert all(found.find(one) for one in asked)

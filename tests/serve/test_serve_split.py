"""Which arm answers: sticky by unit, by header, by release; live where an arm fails; a shadow that costs nothing."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping

import numpy as np
import pytest

from shipway.kernel.split import BUCKETS, SHADOW, bucket_of
from shipway.models import Array, Column, Signature
from shipway.serve import ArmDown, Batcher, Cost, Identity, Predictor, Request, Response, Shadow, Split, SplitArm

SIGNATURE = Signature((Column("x", "FP64"),), (Column("y", "FP64"),))
TAKES = frozenset({"x", "user"})


class Constant:
    """A model that answers one number, or raises."""

    def __init__(self, number: float | None) -> None:
        self.signature, self._number = SIGNATURE, number

    def predict(self, columns: Mapping[str, Array]) -> dict[str, Array]:
        if self._number is None:
            raise ValueError("no")
        return {"y": np.full(len(columns["x"]), self._number)}


def batcher(arm: str, number: float | None) -> Batcher:
    identity = Identity("a", "prod", f"release-{arm}", "deployment", arm, "m")
    return Batcher(Predictor(Constant(number), identity, key=["user"]), Cost(0, 0))


def arm(name: str, number: float | None, start: int, end: int) -> SplitArm:
    return SplitArm(name, f"release-{name}", ((start, end),), batcher(name, number), TAKES)


def split(*arms: SplitArm, unit: str = "header:x-user", shadow: Shadow | None = None) -> Split:
    return Split(batcher("live", 0.0), arms, salt="salt", unit=unit, shadow=shadow)


def request(user: str | None = None, rows: int = 1, id: str | None = None) -> Request:
    columns: dict[str, Array] = {"x": np.zeros(rows)}
    if user is not None:
        columns["user"] = np.array([user] * rows, dtype=object)
    return Request(id, columns)


async def answers(one: Split, users: range) -> dict[int, str]:
    return {user: (await one.predict(request(), headers={b"x-user": b"%d" % user})).arm for user in users}


def test_each_arm_answers_its_share_of_users_and_each_user_the_same_arm_every_time() -> None:
    async def ask() -> tuple[dict[int, str], dict[int, str], dict[int, str]]:
        small = split(arm("a", 1.0, 0, 100), arm("b", 2.0, 100, 1100))
        large = split(arm("a", 1.0, 0, 100), arm("b", 2.0, 100, 5000))
        return await answers(small, range(2000)), await answers(small, range(2000)), await answers(large, range(2000))

    first, again, grown = asyncio.run(ask())
    assert first == again
    shares = Counter(first.values())
    assert 5 < shares["a"] < 40
    assert 140 < shares["b"] < 260
    assert all(grown[user] == found for user, found in first.items() if found != "live"), "who was in stays in"
    assert first == {user: expected(user) for user in range(2000)}


def expected(user: int) -> str:
    bucket = bucket_of("salt", b"%d" % user)
    return "a" if bucket < 100 else "b" if bucket < 1100 else "live"


def test_a_unit_in_a_column_counts_where_all_rows_are_of_one_and_live_answers_where_they_are_not() -> None:
    one = split(arm("a", 1.0, 0, BUCKETS), unit="column:user")

    async def ask() -> list[str]:
        mixed = Request(None, {"x": np.zeros(2), "user": np.array(["u", "v"], dtype=object)})
        return [(await one.predict(each)).arm for each in (request("u", rows=3), mixed, request())]

    assert asyncio.run(ask()) == ["a", "live", "a"]


def test_a_request_without_its_unit_is_divided_by_its_id_and_keeps_it() -> None:
    one = split(arm("a", 1.0, 0, BUCKETS // 2), unit="header:x-user")

    async def ask() -> list[Response]:
        return [await one.predict(request(id=f"r{number}")) for number in range(200)]

    found = asyncio.run(ask())
    assert [response.id for response in found] == [f"r{number}" for number in range(200)]
    wanted = ["a" if bucket_of("salt", b"r%d" % n) < BUCKETS // 2 else "live" for n in range(200)]
    assert [response.arm for response in found] == wanted


@pytest.mark.parametrize(
    ("headers", "release", "found"),
    [
        ({b"x-shipway-arm": b"b"}, None, "b"),
        ({b"x-shipway-arm": b"live"}, None, "live"),
        ({b"x-shipway-arm": b"gone"}, None, "a"),
        ({b"x-shipway-arm": b"shadow"}, None, "a"),
        ({b"x-shipway-arm": b"b"}, "release-live", "live"),
        ({}, "release-b", "b"),
    ],
)
def test_who_splits_before_us_decides_and_a_release_that_is_named_decides_first(
    headers: Mapping[bytes, bytes], release: str | None, found: str
) -> None:
    one = split(arm("a", 1.0, 0, BUCKETS), arm("b", 2.0, 0, 0), unit="request")
    assert asyncio.run(one.predict(request(), headers=headers, release=release)).arm == found


class Down:
    """A process that is not there."""

    def __init__(self) -> None:
        self.asked = 0

    async def predict(self, request: Request, timed: object = None) -> Response:
        self.asked += 1
        raise ArmDown("refused")


def test_live_answers_for_an_arm_that_fails_is_not_there_or_was_never_loaded() -> None:
    down = Down()
    failing, away, never = arm("a", None, 0, 3000), arm("b", 0.0, 3000, 6000), arm("c", 0.0, 6000, BUCKETS)
    away.answers, never.answers = down, None
    one = split(failing, away, never, unit="request")

    async def ask() -> list[Response]:
        return [await one.predict(request(id=f"r{number}")) for number in range(60)]

    found = asyncio.run(ask())
    assert {response.arm for response in found} == {"live"}
    assert {response.instead for response in found} == {"a", "b", "c"}
    assert all(response.outputs["y"].tolist() == [0.0] for response in found)
    assert down.asked == 1, "it is left alone for a moment"
    assert one.counts["live", "answered"] == 60
    assert sum(one.counts[name, "failed"] for name in "abc") == 60


def test_an_arm_is_given_the_columns_that_it_takes() -> None:
    narrow = SplitArm("a", "release-a", ((0, BUCKETS),), batcher("a", 1.0), frozenset({"x"}))
    assert asyncio.run(split(narrow, unit="request").predict(request("u"))).arm == "a"


class Slow:
    """A shadow that answers when it is let."""

    def __init__(self) -> None:
        self.free, self.asked = asyncio.Event(), list[str]()

    async def tell(self, request: Request) -> float:
        self.asked.append(str(request.id))
        await self.free.wait()
        if request.id == "r1":
            raise ArmDown("gone")
        return 0.0


def test_a_shadow_that_hangs_keeps_nobody_waiting_and_what_does_not_fit_is_dropped_and_counted() -> None:
    async def ask() -> tuple[Shadow, list[Response], list[str]]:
        slow = Slow()
        shadow = Shadow(slow, queue_rows=20)
        one = split(SplitArm(SHADOW, "release-s", ((0, BUCKETS),), None, TAKES), unit="request", shadow=shadow)
        async with asyncio.timeout(5):
            found = [await one.predict(request(id=f"r{number}")) for number in range(50)]
        slow.free.set()
        while shadow.answered + shadow.failed + shadow.dropped < 50:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.001)
        return shadow, found, slow.asked

    shadow, found, asked = asyncio.run(ask())
    assert {response.arm for response in found} == {"live"}
    assert (shadow.failed, shadow.answered, shadow.dropped) == (1, 27, 22), "8 under way, 20 wait"
    assert asked == [f"r{number}" for number in range(28)]


def test_a_shadow_takes_no_more_than_its_part_of_the_time() -> None:
    class Costly:
        async def tell(self, request: Request) -> float:
            return 0.01

    async def ask() -> Shadow:
        shadow = Shadow(Costly(), part=0.1)
        for number in range(1000):
            shadow.ask(request(id=f"r{number}"))
        await asyncio.sleep(0.3)
        return shadow

    shadow = asyncio.run(ask())
    assert 1 <= shadow.answered < 40, "0.05 s that were saved, and a tenth of what passes, at 0.01 s each, eight at once"

"""A pipeline with everything that an engine is asked to do, for the small project that the command line is tested with."""

from __future__ import annotations

PARAMETERS = "parameters: {parts: [2, 3]}\n"
STEPS = """
steps:
  days: {when: ready}
  kept: {each: {day: days}, retries: 1, timeout: 2m}
  scaled: {each: {part: parts}, memory: 512Mi, cpu: 0.5}
  total: {retries: 2, timeout: 10m}
  over: {when: total > 90, timeout: 5m}
  cheered: {when: total < 0}
  verdict: {gpu: 1}
  told: {when: verdict == it's "fine"}
  boxed: {group: gift}
  ribbon: {group: gift}
  opened: {when: boxed != 0}
"""
SOURCE = """

def ready(seen: pl.DataFrame) -> bool:
    return seen.height > 10


def days(seen: pl.DataFrame) -> list[int]:
    return sorted(seen["day"].dt.day().unique().to_list())[:2]


def kept(seen: pl.DataFrame, day: int) -> pl.DataFrame:
    return seen.filter(pl.col("day").dt.day() == day)


def scaled(total: int, part: int) -> int:
    return total * part


def total(kept: pl.DataFrame) -> int:
    return kept.height


def over(total: int, scaled: list) -> int:
    return total - 100 + len(scaled)


def cheered(total: int) -> str:
    return f"only {total}"


def repeated(cheered: str) -> str:
    return cheered * 2


def verdict(over: int) -> str:
    return "it's \\"fine\\""


def told(verdict: str) -> str:
    return verdict.upper()


def boxed(total: int) -> int:
    return total


def ribbon(boxed: int) -> dict:
    return {"ribbon": boxed}


def opened(ribbon: dict) -> list[int]:
    return [ribbon["ribbon"]]
"""
SCHEDULE = 'schedule: {cron: "30 4 * * mon-fri", timezone: Europe/Berlin}\n'

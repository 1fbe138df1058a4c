"""Plain words for quantities: `60d`, `5%`, `4Gi`. Parsed once, at the edge."""

from __future__ import annotations

import re
from typing import NewType

from shipway.kernel.errors import ShipwayError

Seconds = NewType("Seconds", float)
Usd = NewType("Usd", float)

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")
_BYTES = re.compile(r"([0-9]+)(Ki|Mi|Gi|Ti)")
_POWERS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_SHARE = re.compile(r"(\d+(?:\.\d+)?)\s*%")


class UnitMalformed(ShipwayError):
    """A text that should be a duration, a share or a number of bytes is none."""

    code = "kernel.unit-malformed"


def parse_duration(text: str) -> Seconds:
    """Seconds of a duration in s, m, h, d or w; raises UnitMalformed.

    >>> parse_duration("60d")
    5184000.0
    """
    match = _DURATION.fullmatch(text.strip())
    if not match:
        raise UnitMalformed(f"{text!r} is not a duration", mend="write a number and s, m, h, d or w, as in 28d")
    return Seconds(float(match[1]) * _UNITS[match[2]])


def parse_share(text: str) -> float:
    """A share in 0..1 of a percentage; raises UnitMalformed.

    >>> parse_share("95%")
    0.95
    """
    match = _SHARE.fullmatch(text.strip())
    if not match:
        raise UnitMalformed(f"{text!r} is not a share", mend="write a percentage, as in 95%")
    if float(match[1]) > 100:
        raise UnitMalformed(f"{text!r} is more than 100 %", mend="write a percentage, as in 95%")
    return float(match[1]) / 100


def parse_bytes(text: str) -> int:
    """Bytes of a number with Ki, Mi, Gi or Ti; raises UnitMalformed.

    >>> parse_bytes("4Gi")
    4294967296
    """
    match = _BYTES.fullmatch(text.strip())
    if not match or int(match[1]) == 0:
        raise UnitMalformed(f"{text!r} is no number of bytes", mend="write a number and Ki, Mi, Gi or Ti, as in 4Gi")
    return int(match[1]) * _POWERS[match[2]]

"""Parameters of an address: known ones only, and a misspelt one is told what it should have been."""

from __future__ import annotations

from starlette.datastructures import QueryParams

from shipway.kernel.errors import nearest
from shipway.web._errors import ParameterWrong

MOST_RECORDS = 1_000


def check_known(params: QueryParams, *known: str) -> None:
    """Raises ParameterWrong."""
    for name in params:
        if name not in known:
            near = nearest(name, list(known))
            mend = f"did you mean {near}?" if near else f"known: {', '.join(known) or 'none'}"
            raise ParameterWrong(f"unknown parameter {name[:50]!r}", where="address", mend=mend)


def read_limit(params: QueryParams, *, default: int) -> int:
    """`limit`: from 1 to MOST_RECORDS. Raises ParameterWrong."""
    text = params.get("limit", str(default))
    if not (text.isascii() and text.isdecimal() and len(text) < 9 and 1 <= int(text) <= MOST_RECORDS):
        raise ParameterWrong(f"limit is a number from 1 to {MOST_RECORDS}, not {text[:50]!r}", where="limit")
    return int(text)


def read_number(params: QueryParams, name: str) -> int | None:
    """A whole number from 0, None when it is not there. Raises ParameterWrong."""
    text = params.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 16):
        raise ParameterWrong(f"{name} is a whole number, not {text[:50]!r}", where=name)
    return int(text)


def read_choice(params: QueryParams, name: str, choices: tuple[str, ...]) -> str | None:
    """One of a few words, None when it is not there. Raises ParameterWrong."""
    text = params.get(name)
    if text is not None and text not in choices:
        raise ParameterWrong(f"{name} is {' or '.join(choices)}, not {text[:50]!r}", where=name)
    return text

"""Columns that seem to hold data about persons: by what stands in them, by checksums where there are any, by their names.

A hint for a person, never a proof of absence: free text, names and addresses in other words are not found.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

import polars as pl

from shipway.data._contract_rules import type_of
from shipway.data._errors import DataUnreadable
from shipway.data._splits import overall
from shipway.kernel.check import Check, Verdict

_MOST_VALUES = 100_000  # distinct ones of a column that are looked at
_BY_CHANCE = 0.5  # of numbers with one check digit a tenth is right by chance
_DIGITS = re.compile(r"[0-9]+")
_EMAIL = r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}"
_PHONE = r"^(?:(?:\+|00)[1-9][0-9 ()/.-]{6,18}[0-9]|\(?[2-9][0-9]{2}\)?[-. ][2-9][0-9]{2}[-. ][0-9]{4})$"
_NAMES = re.compile(
    r"(?:^|[_\W])(?:e?_?mails?|phones?|mobile|telephone|telefon|ssn|iban|passport|birth(?:day|date)?|dob|geburtsdatum"
    r"|(?:first|last|middle|full|given|family|sur)_?name|vorname|nachname|street|strasse|address|adresse|tax_?id|national_?id)(?:$|[_\W])",
    re.IGNORECASE,
)


def measure_personal(frame: pl.LazyFrame, *, share: float = 0.01) -> tuple[Check, ...]:
    """The check `personal` first, then `personal.COLUMN` for every column that is flagged, and nothing for the others.

    Fails where at least `share` of a column's distinct values are e-mail addresses, phone numbers, IBANs or US social security
    numbers, or at least half are numbers with the check digits of a payment card or of a national id; inconclusive where
    only the column's name says so. value: that share. Raises DataUnreadable.
    """
    try:
        checks = [check for name, kind in frame.collect_schema().items() if (check := _look(frame, name, kind, share))]
    except pl.exceptions.PolarsError as problem:
        reason = str(problem).split("\n")[0]
        raise DataUnreadable(f"the table cannot be read: {reason}", mend="see that every row fits the header") from problem
    return (overall("personal", checks) if checks else Check("personal", Verdict.PASS, 0, threshold=0, n=0,
            text="no column is flagged"), *checks)  # fmt: skip


def _look(frame: pl.LazyFrame, name: str, kind: pl.DataType, share: float) -> Check | None:
    if type_of(kind) in ("string", "integer"):
        distinct = frame.select(pl.col(name).cast(pl.String).unique().drop_nulls().sort().alias("value"))
        values = distinct.collect(engine="streaming")["value"]
        values = values.gather_every(-(-values.len() // _MOST_VALUES)) if values.len() > _MOST_VALUES else values
        for word, found, least in _shares(values, number=type_of(kind) == "integer", share=share):
            if found and found >= least:
                text = f"{found:.1%} of its {values.len():,} distinct values are {word}"
                return Check(f"personal.{name}", Verdict.FAIL, found, threshold=least, n=values.len(), text=text)
    if _NAMES.search(name):
        return Check(f"personal.{name}", Verdict.INCONCLUSIVE, text="its name says so; nothing in it was recognised")
    return None


def _shares(values: pl.Series, *, number: bool, share: float) -> Iterator[tuple[str, float, float]]:
    if not values.len():
        return
    if not number:
        yield "e-mail addresses", _mean(values.str.contains(_EMAIL)), share
        yield "phone numbers", _mean(values.str.contains(_PHONE)), share
        yield "US social security numbers", _mean(values.str.contains(r"^[0-8][0-9]{2}-[0-9]{2}-[0-9]{4}$")), share
    plain = [re.sub(r"[ .\-/]", "", value) for value in values if len(value) <= 42]
    if not number:
        yield "IBANs", sum(map(is_iban, plain)) / values.len(), share
    for word, holds in CHECKED.items():
        yield word, sum(map(holds, plain)) / values.len(), _BY_CHANCE


def _mean(found: pl.Series) -> float:
    return int(found.sum()) / found.len()


def is_iban(text: str) -> bool:
    """ISO 13616: the letters as numbers, the first four characters at the end, modulo 97 is 1."""
    if not re.fullmatch(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}", text):
        return False
    return int("".join(str(int(letter, 36)) for letter in text[4:] + text[:4])) % 97 == 1


def _digits(text: str, *lengths: int) -> list[int]:
    """The digits of a number of one of these lengths, not all the same; else none."""
    fits = len(text) in lengths and bool(_DIGITS.fullmatch(text)) and len(set(text)) > 1
    return [int(letter) for letter in text] if fits else []


def _weighted(digits: list[int], weights: tuple[int, ...]) -> int:
    return sum(digit * weight for digit, weight in zip(digits, weights, strict=False))


def is_card(text: str) -> bool:
    """A payment card: 13 to 19 digits, the last by Luhn (ISO/IEC 7812)."""
    digits = _digits(text, *range(13, 20))[::-1]
    doubled = sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return bool(digits) and (sum(digits[::2]) + doubled) % 10 == 0 and digits[-1] in (2, 3, 4, 5, 6)


def is_dni(text: str) -> bool:
    """Spain: eight digits and the letter of their remainder by 23."""
    return bool(re.fullmatch(r"[0-9]{8}[A-Z]", text)) and "TRWAGMYFPDXBNJZSQVHLCKE"[int(text[:8]) % 23] == text[8]


def is_nir(text: str) -> bool:
    """France: thirteen digits and 97 less their remainder; the department of Corsica has a letter."""
    found = re.fullmatch(r"([1-478][0-9]{2}(?:0[1-9]|1[0-2]|[2-9][0-9])(?:[0-9]{2}|2[AB])[0-9]{6})([0-9]{2})", text)
    if not found:
        return False
    return 97 - int(found[1].replace("2A", "19").replace("2B", "18")) % 97 == int(found[2])


def is_bsn(text: str) -> bool:
    """The Netherlands: nine digits, weights 9 to 2 and -1, a multiple of 11."""
    digits = _digits(text, 9)
    return bool(digits) and _weighted(digits, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0


def is_cpf(text: str) -> bool:
    """Brazil: nine digits and two check digits modulo 11."""
    digits = _digits(text, 11)
    if not digits:
        return False
    checks = [_weighted(digits, tuple(range(length + 1, 1, -1))) * 10 % 11 % 10 for length in (9, 10)]
    return checks == digits[9:]


def is_pesel(text: str) -> bool:
    """Poland: a birth date in six digits, the century in the month, and a check digit modulo 10."""
    digits = _digits(text, 11)
    if not digits or not 1 <= int(text[2:4]) % 20 <= 12 or not 1 <= int(text[4:6]) <= 31:
        return False
    return _weighted(digits, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10 == 0


def is_nhs(text: str) -> bool:
    """The United Kingdom's health service: ten digits, weights 10 to 1, a multiple of 11."""
    digits = _digits(text, 10)
    return bool(digits) and _weighted(digits, tuple(range(10, 0, -1))) % 11 == 0


def is_tax_id(text: str) -> bool:
    """Germany: eleven digits, one of the first ten twice or thrice, ISO 7064 modulo 11, 10."""
    digits = _digits(text, 11)
    if not digits or digits[0] == 0 or len(set(digits[:10])) not in (8, 9):
        return False
    product = 10
    for digit in digits[:10]:
        total = (digit + product) % 10 or 10
        product = total * 2 % 11
    return (11 - product) % 10 == digits[10]


CHECKED: Mapping[str, Callable[[str], bool]] = {
    "payment card numbers": is_card,
    "Spanish DNIs": is_dni,
    "French social security numbers": is_nir,
    "Polish PESELs": is_pesel,
    "Brazilian CPFs": is_cpf,
    "German tax ids": is_tax_id,
    "British NHS numbers": is_nhs,
    "Dutch BSNs": is_bsn,
}

"""Bodies of approvals and applies: a posted form or JSON, of known fields, each a text."""

from __future__ import annotations

from urllib.parse import parse_qs

import msgspec

from shipway.web._errors import FormMalformed, MediaTypeUnknown

FORM_BYTES = 16 << 10
FORM, JSON = "application/x-www-form-urlencoded", "application/json"
_REASON = 2_000  # characters of a reason: it stands in every history from then on


def check_type(given: str, wanted: str) -> None:
    """Raises MediaTypeUnknown."""
    if given.partition(";")[0].strip().lower() != wanted:
        raise MediaTypeUnknown(f"a body of type {given[:100]!r}", where="Content-Type", mend=wanted)


def parse_fields(body: bytes, kind: str, *, needed: tuple[str, ...] = ()) -> dict[str, str]:
    """The fields of a body: those that are needed, and `why`, empty when left out. Raises FormMalformed."""
    found = _from_form(body) if kind == FORM else _from_json(body)
    unknown, missing = found.keys() - {*needed, "why"}, [name for name in needed if not found.get(name)]
    if unknown or missing:
        what = f"unknown field {min(unknown)[:50]!r}" if unknown else f"no {missing[0]}"
        raise FormMalformed(what, where="body", mend=f"fields: {', '.join((*needed, 'why'))}")
    if len(found.get("why", "")) > _REASON:
        raise FormMalformed(f"a reason of more than {_REASON:,} characters", where="why", mend="say it shorter")
    return {"why": "", **found}


def _from_form(body: bytes) -> dict[str, str]:
    try:
        fields = parse_qs(body.decode("ascii"), keep_blank_values=True, max_num_fields=8, strict_parsing=True, errors="strict")
    except ValueError as problem:  # UnicodeDecodeError is one
        raise FormMalformed("not a form of ours", where="body", mend="open the page and press a button") from problem
    if any(len(values) != 1 for values in fields.values()):
        raise FormMalformed("a field that comes twice", where="body", mend="open the page and press a button")
    return {name: " ".join(values[0].split()) for name, values in fields.items()}


def _from_json(body: bytes) -> dict[str, str]:
    try:
        return msgspec.json.decode(body or b"{}", type=dict[str, str])
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise FormMalformed(f"not an object of texts: {problem}", where="body", mend='{"why": "REASON"}') from problem

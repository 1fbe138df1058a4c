"""One question, read once: its numbers, units, names, opposites, negations and order, as the guards compare them.

Pure and fast (tens of microseconds), English only; what it cannot read it says in `foreign`, and the guards then refuse.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

from shipway.gateway._guards_words import (
    CALENDAR,
    CONNECTORS,
    EXCEPTERS,
    FILLERS,
    FUNCTION,
    LABEL_NOUNS,
    MODES,
    NEGATORS,
    NUMBER_WORDS,
    ONE_IS_A_PRONOUN_AFTER,
    OPPOSITES,
    PAIRED_VERBS,
    PARTICLES,
    PERSONS,
    QUANTIFIERS,
    SYNONYM_OF,
    TENSES,
    UNITS,
    as_words,
)

LONGEST = 2_000  # characters; a longer text is a document, not a question, and is never shared

_TOKEN = re.compile(
    r"""(?P<code>https?://\S+[\w/]|www\.\S+[\w/]|[\w.+-]+@[\w-]+\.[\w.]*\w|"[^"]+"|“[^”]+”|`[^`]+`|(?<!\w)'[^']+'(?!\w)
    |(?<!\w)--?[a-zA-Z][\w-]*|/?\w+(?:/\w+){2,}|\.?[A-Za-z_]\w*(?:[._:\\]+\w+)+|[a-z]+[A-Z]\w*|\w+_\w*|\w+\(\)|[CF]\#|C\+\+|\.NET)
    |(?P<date>\d{4}-\d{1,2}-\d{1,2}|\d{1,2}[/.]\d{1,2}[/.]\d{2,4}|\d{1,2}:\d{2})
    |(?P<number>(?:(?<=\s)-|(?<![^\s])-)?\d[\d,]*(?:\.\d+)*)(?P<tail>[a-zA-Z°]+\w*)?
    |(?P<word>[^\W\d_]+(?:['’][^\W\d_]+)?)(?P<digits>\d\w*)?
    |(?P<sign>[$€£¥₹%]|[<>=!]=?|[+*^~#@])""",
    re.VERBOSE,
)
_POLITE = re.compile(
    r"^(?:(?:hi|hello|hey|please|ok|so|well|thanks)[\s,!.]+)*"
    r"(?:(?:can|could|would|will) you (?:please |kindly )?(?:tell|show|explain|help|give)(?: to)?(?: me| us)? ?(?:with )?"
    r"|(?:do|would) you (?:happen to )?know |i(?:'d| would) (?:like|love) to know |i (?:want|need) to know |i wonder "
    r"|(?:please )?(?:tell|show) (?:me|us) |any idea |(?:i am |just )?wondering )",
    re.IGNORECASE,
)
_HOW = {
    "many": "count",
    "much": "amount",
    "long": "duration",
    "often": "frequency",
    "far": "distance",
    "old": "age",
    "soon": "when",
    "tall": "height",
    "big": "size",
    "large": "size",
    "expensive": "amount",
    "fast": "speed",
    "come": "why",
}
_WHAT = {
    "time": "when",
    "date": "when",
    "day": "when",
    "year": "when",
    "reason": "why",
    "price": "amount",
    "cost": "amount",
    "fee": "amount",
    "way": "manner",
    "ways": "manner",
    "steps": "manner",
    "procedure": "manner",
    "process": "manner",
    "method": "manner",
    "place": "where",
    "location": "where",
    "person": "who",
    "frequency": "frequency",
    "distance": "distance",
}
_POLAR = as_words("is are was were do does did can could may might must should shall will would has have had am")
_SUFFIXES = ("ingly", "edly", "ing", "ed", "ies", "es", "ly", "s")
_ARTICLES = as_words("a an the my your our their his her its this that these those some any all")


@dataclass(frozen=True, slots=True)
class Signature:
    """What must agree before two questions may share an answer. Every field is ordered as in the text unless a set."""

    words: tuple[str, ...]
    stems: tuple[str, ...]
    topics: frozenset[str]
    numbers: tuple[str, ...]
    units: tuple[str, ...]
    dates: tuple[str, ...]
    codes: tuple[str, ...]
    names: tuple[str, ...]
    labels: tuple[str, ...]
    negators: int
    exceptions: int
    negated: frozenset[str]
    poles: tuple[tuple[int, str], ...]
    quantifiers: frozenset[str]
    links: frozenset[tuple[str, str]]
    asked: str
    modes: frozenset[str]
    persons: frozenset[str]
    tenses: frozenset[str]
    foreign: bool
    vocabulary: frozenset[str]


@dataclass(slots=True)
class _Draft:
    """The lists that one pass over the tokens fills."""

    words: list[str] = field(default_factory=list)
    raw: list[str] = field(default_factory=list)
    starts: set[int] = field(default_factory=set)
    numbers: list[str] = field(default_factory=list)
    units: list[str] = field(default_factory=list)
    dates: list[str] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)


@lru_cache(maxsize=16_384)
def stem(word: str) -> str:
    """A word without its common endings; crude, the same for both questions, which is all that counts.

    >>> stem("resetting"), stem("policies"), stem("pass")
    ('reset', 'polici', 'pass')
    """
    if len(word) <= 3 or word.endswith("ss"):
        return word
    for suffix in _SUFFIXES:
        root = word[: -len(suffix)]
        if word.endswith(suffix) and len(root) >= 3:
            if suffix == "ies":
                return root + "i"
            word = root
            break
    if len(word) > 4 and word[-1] == word[-2] and word[-1] not in "lsz":
        word = word[:-1]
    if word.endswith("y"):
        return word[:-1] + "i"
    return word[:-1] if word.endswith("e") and len(word) > 3 else word


@lru_cache(maxsize=16_384)
def poles_of(word: str) -> tuple[tuple[int, str], ...]:
    """The (axis, side) marks of a word, looked up as written and by its stem."""
    return OPPOSITES.get(word) or _STEMMED.get(stem(word), ())


_STEMMED = {stem(word): marks for word, marks in OPPOSITES.items() if len(word) > 3}


def read_signature(text: str) -> Signature:
    """Everything the guards compare. Never raises: a text that is too long or in another script reads as foreign."""
    whole = unicodedata.normalize("NFKC", text[: LONGEST + 1]).replace("’", "'").strip()
    polite = _POLITE.match(whole)
    stripped = whole[polite.end() :] if polite else whole
    draft = _tokens(stripped)
    words, raw = draft.words, draft.raw
    content = [stem(word) for word in words if word not in FUNCTION]
    names, labels = _names(draft)
    words_set = frozenset(words)
    return Signature(
        words=tuple(words),
        stems=tuple(content),
        topics=_topics(words),
        numbers=tuple(draft.numbers),
        units=tuple(draft.units),
        dates=tuple(draft.dates),
        codes=tuple(draft.codes),
        names=names,
        labels=labels,
        negators=sum(word in NEGATORS for word in words),
        exceptions=sum(word in EXCEPTERS for word in words) + whole.lower().count("other than"),
        negated=_negated(words),
        poles=_poles(words),
        quantifiers=frozenset(_quantifiers(words)),
        links=_links(words),
        asked=_asked(words),
        modes=frozenset(MODES[w] for w in words if w in MODES),
        persons=frozenset(PERSONS[w] for w in words if w in PERSONS),
        tenses=frozenset(TENSES[w] for w in words if w in TENSES),
        foreign=_is_foreign(whole, raw, words_set),
        vocabulary=words_set | frozenset(content),
    )


def _tokens(text: str) -> _Draft:
    draft = _Draft()
    new_sentence, end = True, 0
    for found in _TOKEN.finditer(text):
        between = text[end : found.start()]
        new_sentence = new_sentence or any(mark in between for mark in ".!?\n")
        end = found.end()
        kind = found.lastgroup
        if new_sentence and kind in ("word", "digits"):
            draft.starts.add(len(draft.words))
        new_sentence = False
        if kind == "word":
            _take_word(draft, found["word"])
        elif kind in ("number", "tail"):
            _take_number(draft, found["number"], found["tail"])
        elif kind == "date":
            draft.dates.append(found["date"])
            _push(draft, found["date"])
        elif kind == "sign":
            _take_sign(draft, found["sign"])
        else:  # code, or a word with digits in it
            code = found[0].strip("\"'`“”")
            draft.codes.append(code if found["code"] else code.lower())
            _push(draft, code)
    return draft


def _push(draft: _Draft, raw: str) -> None:
    draft.words.append(raw.lower())
    draft.raw.append(raw)


def _take_sign(draft: _Draft, sign: str) -> None:
    if sign in UNITS:
        draft.units.append(UNITS[sign])
    else:
        draft.codes.append(sign)


def _take_number(draft: _Draft, number: str, tail: str | None) -> None:
    digits = number.replace(",", "")
    whole = digits.lstrip("0") or "0"
    value = whole if "." not in digits else digits
    tail = (tail or "").lower()
    if tail in ("st", "nd", "rd", "th"):
        value = "#" + value
    elif tail in ("k", "m", "bn") and len(tail) <= 2 and tail != "m":
        value += "000" if tail == "k" else "000000000"
    elif tail in ("am", "pm"):
        draft.dates.append(tail)
    elif tail:
        draft.units.append(UNITS.get(tail, tail))
    draft.numbers.append(value)
    _push(draft, value)


def _take_word(draft: _Draft, raw: str) -> None:
    word = raw.lower()
    if "'" in word:
        head, _, tail = word.partition("'")
        if word.endswith("n't"):
            _push(draft, {"ca": "can", "wo": "will", "sha": "shall"}.get(head[:-1], head[:-1]))
            _push(draft, "not")
            return
        raw = raw[: len(head)]
        word = head
        if tail not in ("s", "re", "ve", "ll", "d", "m"):
            word, raw = head + tail, raw + tail
        if tail == "ll":
            _push(draft, raw)
            _push(draft, "will")
            return
    if word == "cannot":
        _push(draft, "can")
        _push(draft, "not")
        return
    before = draft.words[-1] if draft.words else ""
    if word in NUMBER_WORDS and not (word == "one" and before in ONE_IS_A_PRONOUN_AFTER):
        draft.numbers.append(NUMBER_WORDS[word])
    if word in UNITS and not (word in ("cup", "foot", "yard") and not draft.numbers):
        draft.units.append(UNITS[word])
    elif raw in ("May", "MAY") and draft.words:
        draft.dates.append("may")
    elif word in CALENDAR:
        draft.dates.append(CALENDAR[word])
    elif word in ("am", "pm") and before[:1].isdigit():
        draft.dates.append(word)
    elif word in ("last", "this", "next"):
        draft.dates.append(word) if word != "this" else None
    _push(draft, NUMBER_WORDS.get(word, raw) if word in NUMBER_WORDS else raw)


def _names(draft: _Draft) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Capitalised tokens that are not there for the grammar, and single-letter labels, both in order."""
    words, raw = draft.words, draft.raw
    shouting = sum(r.isupper() and len(r) > 1 for r in raw) > len(raw) / 2
    titled = sum(r[:1].isupper() for r in raw) > 0.7 * len(raw) and len(raw) > 3
    names: list[str] = []
    labels: list[str] = []
    for place, (word, token) in enumerate(zip(words, raw, strict=True)):
        before = words[place - 1] if place else ""
        if len(token) == 1 and token.isalpha():
            if _is_label(token, before, last=place == len(words) - 1):
                labels.append(word)
        elif token[:1].isupper() and not shouting and not titled and word not in FUNCTION and word not in UNITS:
            if word in CALENDAR or word in NUMBER_WORDS:
                continue
            if place not in draft.starts or (token.isupper() and len(token) > 1):
                names.append(word)
    return tuple(names), tuple(labels)


def _is_label(token: str, before: str, *, last: bool) -> bool:
    if token in "Ii":
        return before in LABEL_NOUNS and last
    if token == "a":
        return last and before != ""
    if token == "A":
        return before in LABEL_NOUNS or last or before in ("and", "or", "between", "than", "from", "to", "of")
    return True


_TOPIC_OF = {stem(word): name for word, name in SYNONYM_OF.items()}


def _topics(words: list[str]) -> frozenset[str]:
    """Content words by their synonym group; `?amount` and the like for those that only say what is asked for (its price)."""
    found: set[str] = set()
    for word in words:
        if word in FUNCTION or word in FILLERS or word in PARTICLES or word in NEGATORS:
            continue
        wanted, root = _WHAT.get(word, _HOW.get(word)), stem(word)
        found.add(f"?{wanted}" if wanted else _TOPIC_OF.get(root, root))
    return frozenset(found)


def _negated(words: list[str]) -> frozenset[str]:
    found: set[str] = set()
    for place, word in enumerate(words):
        if word in NEGATORS or word in EXCEPTERS:
            after = (stem(w) for w in words[place + 1 : place + 5] if w not in FUNCTION)
            found.add(next(after, ""))
    return frozenset(found - {""})


def _poles(words: list[str]) -> tuple[tuple[int, str], ...]:
    found: list[tuple[int, str]] = []
    for place, word in enumerate(words):
        if word in PAIRED_VERBS:
            found += [(-1, w) for w in words[place + 1 : place + 4] if w in PARTICLES][:1]
        if word == "login" or word == "signin" or word == "logon":
            found.append((-1, "in"))
        elif word in ("logout", "signout", "logoff"):
            found.append((-1, "out"))
        elif word in ("signup", "register", "registration"):
            found.append((-1, "up"))
        marks = poles_of(word)
        if marks:
            found += marks
    return tuple(found)


def _quantifiers(words: list[str]) -> list[str]:
    found = [QUANTIFIERS[word] for word in words if word in QUANTIFIERS]
    for first, second in pairwise(words):
        if first == "at" and second in ("least", "most"):
            found.append("at " + second)
        elif first == "up" and second == "to":
            found.append("at most")
        elif first == "how" and second == "few":
            found.remove("some")
    return found


def _links(words: list[str]) -> frozenset[tuple[str, str]]:
    """(connector, the first content word behind it); `to` before a verb is one too, and does no harm."""
    found: set[tuple[str, str]] = set()
    for place, word in enumerate(words):
        name = CONNECTORS.get(word)
        if name is None:
            continue
        for after in words[place + 1 : place + 4]:
            if after in _ARTICLES:
                continue
            if after not in FUNCTION or len(after) == 1:
                found.add((name, stem(after)))
            break
    return frozenset(found)


def _asked(words: list[str]) -> str:
    """What kind of answer is wanted: who, when, where, why, manner, count..., `what`, `polar` (yes or no), or `open`."""
    for place, word in enumerate(words[:12]):
        after = words[place + 1] if place + 1 < len(words) else ""
        if word in ("who", "whom", "whose", "when", "where", "why"):
            return "who" if word == "whom" else word
        if word == "how":
            return _HOW.get(after, "manner")
        if word in ("what", "which"):
            near = words[place + 1 : place + 5]
            if after in ("do", "does", "did", "would", "will") and "cost" in words:
                return "amount"
            return next((_WHAT[w] for w in near if w in _WHAT), "what")
        if place == 0 and word in _POLAR:
            return "polar"
    return "open"


def _is_foreign(whole: str, raw: list[str], words: frozenset[str]) -> bool:
    if len(whole) > LONGEST:
        return True
    if not whole.isascii() and any(ord(letter) > 0x24F and letter.isalpha() for letter in whole):
        return True
    return len(raw) > 4 and not words & FUNCTION

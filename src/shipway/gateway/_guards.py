"""Guards of the semantic cache: two questions may share an answer only if nothing that changes the answer differs.

Similarity cannot see what these see: "10 USD to EUR" and "10 EUR to USD" are nearer to each other than most paraphrases. Each
guard is named and says what differed. A guard may refuse a right pair, which costs a call; the reverse costs a wrong answer.
Pure; English only (another language is refused, not guessed).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from shipway.gateway._guards_read import Signature, poles_of, read_signature, stem
from shipway.gateway._guards_words import (
    FILLERS,
    FUNCTION,
    INTERCHANGEABLE_OF,
    MILD_QUANTIFIERS,
    NEGATIVE_PREFIXES,
    PARTICLES,
    SYNONYM_OF,
)

__all__ = ["ANSWER_GUARDS", "GUARDS", "Refusal", "Signature", "compare_questions", "compare_signatures", "read_signature"]


class Refusal(NamedTuple):
    """Why two questions may not share an answer: the guard's name (a label of a metric) and what differed (for a trace)."""

    guard: str
    detail: str


def compare_questions(first: str, second: str) -> Refusal | None:
    """The first guard that refuses, or None when the two may share an answer as far as guards can tell.

    >>> compare_questions("Convert 10 USD to EUR", "Convert 10 EUR to USD")
    Refusal(guard='units', detail='usd eur | eur usd')
    >>> compare_questions("How do I reset my password?", "How can I reset my password?") is None
    True
    """
    return compare_signatures(read_signature(first), read_signature(second))


def compare_signatures(a: Signature, b: Signature, *, guards: frozenset[str] | None = None) -> Refusal | None:
    """As `compare_questions`, for questions that were read before; guards: only those of these names."""
    if a.words == b.words and a.names == b.names and a.codes == b.codes and a.units == b.units and not (a.foreign or b.foreign):
        return None
    for name, guard in GUARDS:
        if guards is not None and name not in guards:
            continue
        detail = guard(a, b)
        if detail is not None:
            return Refusal(name, detail)
    return None


def _language(a: Signature, b: Signature) -> str | None:
    return "not read as a short English question" if a.foreign or b.foreign or not (a.words and b.words) else None


def _differ(first: tuple[str, ...], second: tuple[str, ...]) -> str | None:
    return None if first == second else f"{' '.join(first)} | {' '.join(second)}"


def _numbers(a: Signature, b: Signature) -> str | None:
    return _differ(a.numbers, b.numbers)


def _units(a: Signature, b: Signature) -> str | None:
    return _differ(a.units, b.units)


def _dates(a: Signature, b: Signature) -> str | None:
    return _differ(a.dates, b.dates)


def _codes(a: Signature, b: Signature) -> str | None:
    return _differ(a.codes, b.codes)


def _labels(a: Signature, b: Signature) -> str | None:
    return _differ(a.labels, b.labels)


def _names(a: Signature, b: Signature) -> str | None:
    """A name in one is a word of the other, whatever its case; and common names stand in the same order."""
    for one, other in ((a, b), (b, a)):
        for name in one.names:
            if name not in other.vocabulary and stem(name) not in other.vocabulary:
                return f"{name} is in one question only"
    shared = set(a.names) & set(b.names)
    orders = [tuple(dict.fromkeys(n for n in s.names if n in shared)) for s in (a, b)]
    if orders[0] == orders[1] or (len(shared) == 2 and _routes(a) and _routes(a) == _routes(b)):
        return None
    return _differ(orders[0], orders[1])


def _routes(s: Signature) -> frozenset[tuple[str, str]]:
    return frozenset(link for link in s.links if link[0] in ("from", "to") and link[1] in {stem(name) for name in s.names})


def _negation(a: Signature, b: Signature) -> str | None:
    if (a.negators, a.exceptions) != (b.negators, b.exceptions):
        return f"{a.negators + a.exceptions} negations | {b.negators + b.exceptions}"
    for one, other in ((a, b), (b, a)):
        for word in one.negated - other.negated:
            if word in other.stems:
                return f"{word} is negated in one question only"
    return _prefixes(a, b) or _prefixes(b, a)


def _prefixes(a: Signature, b: Signature) -> str | None:
    """possible | impossible, install | uninstall, harmful | harmless; non smoking | smoking is one as well."""
    for word in a.words:
        if len(word) < 5 or word in b.vocabulary:
            continue
        for prefix in NEGATIVE_PREFIXES:
            rest = word.removeprefix(prefix)
            if 2 < len(rest) < len(word) and (rest in b.words or stem(rest) in b.stems):
                return f"{word} | {rest}"
        if word.endswith("less") and any(word[:-4] in (s, s.removesuffix("ful")) for s in b.stems):
            return f"{word} | without -less"
    if any(w in a.vocabulary and w not in b.vocabulary for w in ("non", "anti")):
        return "non- in one question only"
    return None


def _opposites(a: Signature, b: Signature) -> str | None:
    """On every axis that both mention, the same sides in the same order."""
    for axis in {axis for axis, _ in a.poles} & {axis for axis, _ in b.poles}:
        first, second = (tuple(dict.fromkeys(side for at, side in s.poles if at == axis)) for s in (a, b))
        if first != second:
            return f"{_words_on(a, axis)} | {_words_on(b, axis)}"
    return None


def _words_on(s: Signature, axis: int) -> str:
    return " ".join(w for w in s.words if any(at == axis for at, _ in poles_of(w))) or "particle"


def _quantifiers(a: Signature, b: Signature) -> str | None:
    first, second = a.quantifiers, b.quantifiers
    if first - MILD_QUANTIFIERS == second - MILD_QUANTIFIERS and (first == second or not (first and second)):
        return None
    return _differ(tuple(sorted(first)), tuple(sorted(second)))


def _question(a: Signature, b: Signature) -> str | None:
    if a.asked == b.asked or "open" in (a.asked, b.asked):
        return None
    return f"{a.asked} | {b.asked}"


def _person(a: Signature, b: Signature) -> str | None:
    if a.persons and b.persons and a.persons != b.persons:
        return _differ(tuple(sorted(a.persons)), tuple(sorted(b.persons)))
    return None


def _tense(a: Signature, b: Signature) -> str | None:
    special = frozenset({"past", "future"})
    if a.tenses and b.tenses and a.tenses & special != b.tenses & special:
        return _differ(tuple(sorted(a.tenses)), tuple(sorted(b.tenses)))
    return None


def _mode(a: Signature, b: Signature) -> str | None:
    if ("must" in a.modes) != ("must" in b.modes) and ("can" in a.modes or "can" in b.modes or a.asked == b.asked == "polar"):
        return _differ(tuple(sorted(a.modes)), tuple(sorted(b.modes)))
    return None


def _direction(a: Signature, b: Signature) -> str | None:
    """from X to Y is not from Y to X; A bigger than B is not B bigger than A; nor is X before Y the same as Y before X."""
    for connector in {c for c, _ in a.links} & {c for c, _ in b.links}:
        first = {word for c, word in a.links if c == connector}
        second = {word for c, word in b.links if c == connector}
        left, right = first - second, second - first
        if any(w in b.stems or w in b.words for w in left) and any(w in a.stems or w in a.words for w in right):
            return f"{connector} {' '.join(sorted(left))} | {connector} {' '.join(sorted(right))}"
    opposed = ("from", "to", "than", "before", "after", "by", "with", "without", "over", "under")
    for connector, word in a.links:
        others = {c for c, w in b.links if w == word}
        if connector in opposed and others and connector not in others and others & set(opposed):
            return f"{connector} {word} | {' '.join(sorted(others))} {word}"
    return None


def _order(a: Signature, b: Signature) -> str | None:
    """The same words in another order: approve an employee's manager, manage an approved employee."""
    if a.stems == b.stems or Counter(a.stems) != Counter(b.stems):
        return None
    first, second = _unfolded(a), _unfolded(b)
    return None if first == second else _differ(first, second)


def _unfolded(s: Signature) -> tuple[str, ...]:
    """Content words with `capital of Canada` turned into `Canada capital`, and without the `up` of `set it up`."""
    found: list[str] = []
    behind = False
    for word in s.words:
        if word in ("of", "for", "to", "in") and found:
            behind = True
        elif word not in FUNCTION and word not in PARTICLES:
            found.insert(len(found) - 1 if behind else len(found), stem(word))
            behind = False
    return tuple(found)


def _substitution(a: Signature, b: Signature) -> str | None:
    """The same sentence with other content at the same places, and those are no known synonyms."""
    if len(a.words) == len(b.words):
        pairs = [(x, y) for x, y in zip(a.words, b.words, strict=True) if x != y]
        if 2 * len(pairs) <= len(a.words) or len(pairs) == 1:
            return next((f"{x} | {y}" for x, y in pairs if not _may_stand_for(x, y)), None)
    middle_a, middle_b = _middles(a.words, b.words)
    short, long = sorted((middle_a, middle_b), key=len)
    kept = len(a.words) - len(middle_a)
    if (len(long) <= 2 and kept >= 3) or (len(long) <= 3 and kept >= 5):
        return _changed(short, long)
    return None


def _changed(short: tuple[str, ...], long: tuple[str, ...]) -> str | None:
    content = [w for w in long if w not in FILLERS and w not in FUNCTION]
    rest = [w for w in short if w not in FILLERS and w not in FUNCTION]
    extra = [w for w in content if not any(_may_stand_for(w, other) for other in rest)]
    missing = [w for w in rest if not any(_may_stand_for(w, other) for other in content)]
    if extra or missing:
        return f"{' '.join(short) or 'nothing'} | {' '.join(long)}"
    return None


def _middles(a: tuple[str, ...], b: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What is left of both after their common beginning and end."""
    start, limit = 0, min(len(a), len(b))
    while start < limit and a[start] == b[start]:
        start += 1
    end = 0
    while end < limit - start and a[-1 - end] == b[-1 - end]:
        end += 1
    return a[start : len(a) - end], b[start : len(b) - end]


def _may_stand_for(x: str, y: str) -> bool:
    if stem(x) == stem(y):
        return True
    if x in FUNCTION or y in FUNCTION:
        return INTERCHANGEABLE_OF.get(x, -1) == INTERCHANGEABLE_OF.get(y, -2)
    return SYNONYM_OF.get(x, x) == SYNONYM_OF.get(y, y)


def _topic(a: Signature, b: Signature) -> str | None:
    """Every content word of one is in the other, as it is or as a known synonym: names in small letters have no other mark."""
    if a.topics == b.topics:
        return None
    asked = {f"?{a.asked}", f"?{b.asked}"}
    return _differ(tuple(sorted(a.topics - b.topics - asked)), tuple(sorted(b.topics - a.topics - asked)))


GUARDS: tuple[tuple[str, Callable[[Signature, Signature], str | None]], ...] = (
    ("language", _language),
    ("numbers", _numbers),
    ("units", _units),
    ("dates", _dates),
    ("codes", _codes),
    ("labels", _labels),
    ("names", _names),
    ("negation", _negation),
    ("opposites", _opposites),
    ("quantifiers", _quantifiers),
    ("question", _question),
    ("person", _person),
    ("tense", _tense),
    ("mode", _mode),
    ("direction", _direction),
    ("order", _order),
    ("substitution", _substitution),
    ("topic", _topic),
)
# what two answers to one question must agree on; an answer may be put in another order, person or tense
ANSWER_GUARDS = frozenset(
    ("language", "numbers", "units", "dates", "codes", "labels", "names", "negation", "opposites", "quantifiers", "direction")
)

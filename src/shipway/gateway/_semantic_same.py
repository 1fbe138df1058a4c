"""Whether two answers say the same; doubt means no, since a wrong "same" is the one error that nothing later finds."""

from __future__ import annotations

from shipway.gateway._guards import ANSWER_GUARDS, compare_signatures, read_signature
from shipway.llm import Embedder

CLOSE = 0.9


def same_answer(first: str, second: str, embedder: Embedder | None = None, *, at_least: float = CLOSE) -> bool:
    """True when the answers are equal but for case, space and the punctuation around them, or agree on everything that guards
    can see (numbers, units, dates, names, negations, opposites) and their embeddings are at least `at_least` similar.

    Without an embedder only the first counts. Raises what the embedder raises (EmbedderDown): then nothing is learnt.
    >>> same_answer("Ottawa.", "ottawa"), same_answer("It costs 5 EUR", "It costs 6 EUR")
    (True, False)
    """
    if _plain(first) == _plain(second):
        return True
    if embedder is None or compare_signatures(read_signature(first), read_signature(second), guards=ANSWER_GUARDS):
        return False
    one, other = embedder.embed([first, second])
    return float(one @ other) >= at_least


def _plain(text: str) -> str:
    """Inner signs stay: C is not C++, and 5.1 is not 51."""
    return " ".join(text.lower().split()).strip(' .!?"')

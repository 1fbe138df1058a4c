"""What follows from a plan, in sentences: answers, clients, cost, processes, policy. Said before any detail."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from shipway.kernel.canonical import JsonObject
from shipway.kernel.check import Check
from shipway.kernel.digest import Digest, short
from shipway.kernel.split import SHADOW
from shipway.release._arms import split_of
from shipway.release._changes import Change
from shipway.release._describe_model import interval_text, metrics_of
from shipway.release._described import Look, listed, object_of
from shipway.spec import lower_is_better

_ANSWERS = ("model", "prompt", "index", "provider")
_AROUND = ("environment",)  # runs the model: the same bytes may compute otherwise under other packages


def consequences(
    look: Look,
    changes: Sequence[Change],
    *,
    live: Digest | None,
    release: Digest,
    source: Digest | None,
    target: Digest,
    policy_change: Digest | None,
    missing: Sequence[str] = (),
) -> tuple[str, ...]:
    """The sentences, the weightiest first. live and release are releases, source and target deployments; missing: what the
    gate still asks for.
    """
    published = f"the policy {short(policy_change)} is published first, and judges this move" if policy_change else ""
    if source == target:
        return ("what is deployed stays as it is", published) if published else ("nothing changes",)
    answers = _answers(changes, live) if live or source is None else "what is live cannot be read, so all of it counts as new"
    if any(_divided(look, deployment) for deployment in (source if live else None, target)):
        answers = answers.replace("answers", "answers of live", 1)
    found = [
        answers,
        *arm_words(look, target),
        *_clients(changes),
        *_cost(look, live, release),
        _processes(look, source, target),
    ]
    found += _watch(changes)
    found.append(published)
    if missing:
        found.append(f"the gate still needs: {listed(missing, 4)}")
    return tuple(text for text in found if text)


def _divided(look: Look, deployment: Digest | None) -> bool:
    """Whether some units hear another release than the live one."""
    split = split_of(look.store.get(deployment, "deployment")) if deployment else None
    return split is not None and any(arm.name != SHADOW for arm in split.arms)


def _answers(changes: Iterable[Change], live: Digest | None) -> str:
    kinds = [change.kind for change in changes]
    if live is None:
        return "answers begin: nothing is live there yet"
    found = [kind for kind in dict.fromkeys(kinds) if kind in _ANSWERS]
    if found:
        return f"answers may change: {_and(found)} {'differs' if len(found) == 1 else 'differ'}"
    if any(kind in _AROUND for kind in kinds):
        return "answers should stay: the model is the same, and runs with other packages"
    rest = [kind for kind in dict.fromkeys(kinds) if kind != "deployment"]
    if rest:
        return f"answers stay: only {_and(rest)} {'differs' if len(rest) == 1 else 'differ'}"
    return "answers stay: the release is the same"


def arm_words(look: Look, deployment: Digest) -> list[str]:
    """`5 % of units (header:x-user) are answered by arm candidate, release 0743f2c1`; nothing where live answers alone."""
    split = split_of(look.store.get(deployment, "deployment"))
    words = []
    for arm in split.arms if split else ():
        of = f"{100 * arm.share:g} % of units ({split.unit if split else ''})"
        if arm.name == SHADOW:
            words.append(f"{of} are asked of release {short(arm.release)} too, as a shadow that nobody hears")
        else:
            words.append(f"{of} are answered by arm {arm.name}, release {short(arm.release)}")
    return words


def _and(words: Sequence[str]) -> str:
    """
    >>> _and(["model", "prompt", "index"])
    'model, prompt and index'
    """
    return " and ".join(part for part in (", ".join(words[:-1]), words[-1]) if part)


def _clients(changes: Iterable[Change]) -> list[str]:
    columns = [text for change in changes for text in _columns(change)]
    return [f"clients have to change: {listed(columns, 4)}"] if columns else []


def _columns(change: Change) -> list[str]:
    signature = change.facts.get("signature")
    return [str(text) for text in signature] if isinstance(signature, list) else []


def _cost(look: Look, live: Digest | None, release: Digest) -> list[str]:
    """What an answer cost in each evaluation of both releases, as far as it was measured."""
    if live is None or live == release:
        return []
    old, new = (_costs(metrics_of(look, digest)) for digest in (live, release))
    words = [f"{interval_text(old[name])} -> {interval_text(new[name])} usd in {name.partition('.')[0]}"
             for name in sorted(old.keys() & new.keys())]  # fmt: skip
    return [f"cost per answer: {listed(words, 3)}"] if words else []


def _costs(measured: dict[str, Check]) -> dict[str, Check]:
    return {name: check for name, check in measured.items() if name.endswith(".cost_usd") and lower_is_better(name)}


def _processes(look: Look, source: Digest | None, target: Digest) -> str:
    after = look.store.get(target, "deployment")
    workers = _workers(after)
    what = "gateway" if after["target"] == "gateway" else "predictor"
    if source is None:
        return f"serving starts: {what}, {workers} worker{'s' if workers != 1 else ''}"
    return f"serving restarts: {workers} new worker{'s' if workers != 1 else ''} of the {what}, the old ones drain"


def _workers(deployment: JsonObject) -> int:
    value = object_of(deployment["scale"]).get("workers")
    return value if isinstance(value, int) else 1


def _watch(changes: Iterable[Change]) -> list[str]:
    settings = [change for change in changes if change.kind == "deployment"]
    monitors = any("monitor" in text for change in settings for text in (change.text, *change.lines))
    return ["alerts change: monitors differ"] if monitors else []

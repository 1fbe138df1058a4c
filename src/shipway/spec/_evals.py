"""The `evals:` section: golden sets, what is measured on them, and which metrics a policy may ask of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec

from shipway.spec._fields import choice, count, fields, group, listed, meant, texts
from shipway.spec._names import declared, groups_of, inside_path, name_of
from shipway.spec._node import Node, shown
from shipway.spec._requirement import FOREIGN, Pass, eval_metrics, is_foreign
from shipway.spec._rule import PolicyRule

SCORERS = ("exact", "contains")
_MOST_SAMPLES, _MOST_AT = 100, 1000  # beyond them a mistake is likelier than a wish: each sample of each item is a call


class EvalSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A golden set: JSON lines at a path inside the project, and how it is run.

    samples: answers an item; at: the k of recall and nDCG, ascending; judge: the provider that rates answers, None for no
    judge; scorers: how an answer is held against its target; groups: whose view of the documents is measured, none for what
    everybody may see.
    """

    name: str
    file: str
    samples: int = 1
    at: tuple[int, ...] = (5,)
    judge: str | None = None
    scorers: tuple[str, ...] = SCORERS
    groups: tuple[str, ...] = ()

    @property
    def metrics(self) -> tuple[str, ...]:
        """What a policy may ask of it, as `NAME.METRIC`."""
        judged = ("judge",) if self.judge else ()
        return tuple(f"{self.name}.{metric}" for metric in eval_metrics(self.at, (*self.scorers, *judged)))


def read_eval(key: Node, node: Node, *, providers: Collection[str]) -> EvalSpec:
    name = name_of(key, "an evaluation")
    if name == FOREIGN.rstrip("."):
        raise key.fail("the metrics of other tools are called import.NAME", mend="give the evaluation another name")
    what = f"evaluation {name}"
    if not isinstance(node.value, dict):
        return EvalSpec(name=name, file=inside_path(node, f"the file of {what}"))
    entries = fields(node, ("file", "samples", "at", "judge", "scorers", "groups"), what)
    if "file" not in entries:
        raise key.fail(f"{what} has no file", mend="file: golden.jsonl")
    return EvalSpec(
        name=name,
        file=inside_path(entries["file"], f"the file of {what}"),
        samples=_few(entries["samples"], f"samples of {what}", _MOST_SAMPLES) if "samples" in entries else 1,
        at=_at(entries["at"], what) if "at" in entries else (5,),
        judge=declared(entries["judge"], "provider", providers) if "judge" in entries else None,
        scorers=_scorers(entries["scorers"], what) if "scorers" in entries else SCORERS,
        groups=groups_of(entries["groups"], what) if "groups" in entries else (),
    )


def _at(node: Node, what: str) -> tuple[int, ...]:
    items = listed(node, f"at of {what}") if isinstance(node.value, list) else [node]
    found = {_few(item, f"at of {what}", _MOST_AT) for item in items}
    if len(found) < len(items):
        raise node.fail(f"at of {what} has a number twice", mend="keep one")
    return tuple(sorted(found))


def _few(node: Node, what: str, most: int) -> int:
    value = count(node, what, least=1)
    if value > most:
        raise node.fail(f"{what} is at most {most}, not {node.shown()}")
    return value


def _scorers(node: Node, what: str) -> tuple[str, ...]:
    """Their order does not count: they are told in one order, so that equal sets are one definition."""
    chosen = texts(node, f"scorers of {what}")
    for item in node.value if isinstance(node.value, list) else [node]:
        choice(item, f"a scorer of {what}", SCORERS)
    return tuple(name for name in SCORERS if name in chosen)


def check_metrics(node: Node, policy: Mapping[str, PolicyRule], evals: Mapping[str, EvalSpec]) -> None:
    """Raises SpecMalformed for a metric `EVAL.METRIC` of an evaluation that is not declared or does not measure it."""
    for ref, rule in policy.items():
        for requirement in rule.require:
            name, (prefix, dot, _) = requirement.name, requirement.name.partition(".")
            if not dot or is_foreign(name) or (isinstance(requirement, Pass) and prefix not in evals):
                continue
            place = group(node, "policy")[ref].keys[name]
            if isinstance(requirement, Pass):
                raise place.fail(
                    f"{shown(name)} is a number and passes nothing by itself", mend="at least X, or not worse by X"
                )
            if prefix not in evals:
                mend = meant(prefix, list(evals)) if evals else "declare it under evals:"
                raise place.fail(f"the spec has no evaluation {shown(prefix)}", mend=mend)
            if name not in evals[prefix].metrics:
                raise place.fail(f"evaluation {prefix} does not measure {shown(name)}", mend=meant(name, evals[prefix].metrics))

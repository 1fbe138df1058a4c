"""The card of a release in Markdown: what it is, what it was made from, how it was measured, who approved it, how to verify it.

The same release and evidence give the same text: no time of rendering, no machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from shipway.kernel import media
from shipway.kernel.canonical import Json, canonical_json
from shipway.kernel.check import Check
from shipway.kernel.clock import instant
from shipway.kernel.digest import short
from shipway.release._facts import Measured, PartFacts, ReleaseFacts, text_at

CARD = media.MARKDOWN


def render_card(facts: ReleaseFacts, *, about: Mapping[str, str] | None = None) -> str:
    """The whole card. about: intended use and limits in the owner's words, by name of the model."""
    parts = [
        _head(facts),
        _about(facts, about or {}),
        *(_model(part) for part in facts.of("model")),
        *([_answering(facts)] if facts.of("prompt") else []),
        _data(facts),
        _judged(facts),
        _approvals(facts),
        _environment(facts),
        _verify(facts),
    ]
    return "\n\n".join("\n".join(lines) for part in parts if (lines := list(part))) + "\n"


def _head(facts: ReleaseFacts) -> Iterator[str]:
    yield f"# {_cell(facts.application or 'Release')} {short(facts.release)}"
    yield ""
    if facts.revoked:
        by, why = (_cell(text_at(facts.revoked.predicate, key)) for key in ("by", "why"))
        yield f"**Revoked** by {by} at {instant(facts.revoked.at)}: {why}"
        yield ""
    yield f"Release `{facts.release}`, {len(facts.parts)} components. Everything here is read from the release and from signed"
    yield "statements that count; what nobody measured is not said."
    yield ""
    yield from _table(
        ("component", "name", "digest"), [(p.component.kind, p.component.name, p.component.digest) for p in facts.parts]
    )


def _about(facts: ReleaseFacts, about: Mapping[str, str]) -> Iterator[str]:
    yield "## Intended use"
    said = [text.strip() for part in facts.parts if (text := about.get(part.component.name, ""))]
    yield ""
    lines = "\n\n".join(dict.fromkeys(said)).splitlines()
    yield "\n".join(f"> {line}".rstrip() for line in lines) or "Not stated by its owner."  # quoted: no section of ours


def _model(part: PartFacts) -> Iterator[str]:
    record, name = part.record, part.component.name
    yield f"## Model {_cell(name)}"
    yield ""
    yield from _pairs(
        {
            "format": text_at(record, "format"),
            "predicts": text_at(record, "target"),
            "from": _columns(record.get("signature"), "inputs"),
            "answers": _columns(record.get("signature"), "outputs"),
            "logged, not fed": ", ".join([*_texts(record.get("key")), text_at(record, "time")]).strip(", "),
            **_ancestry(part),
            **_run(part),
        }
    )
    yield from _evaluation("### Evaluation", part.checks)


def _ancestry(part: PartFacts) -> dict[str, str]:
    """Base model and adapters of a fine-tuned one."""
    base, adapters = part.record.get("base"), part.record.get("adapters")
    found = {"base model": ancestor_text(base)} if isinstance(base, Mapping) else {}
    return found | ({"adapters": "; ".join(map(ancestor_text, adapters))} if isinstance(adapters, list) and adapters else {})


def ancestor_text(value: Json) -> str:
    """A base model or an adapter in words: its name, revision and digest."""
    revision, digest = text_at(value, "revision"), text_at(value, "digest")
    words = [text_at(value, "name"), f"revision {revision}" if revision else "", digest]
    return ", ".join(word for word in words if word)


def _run(part: PartFacts) -> dict[str, str]:
    if part.run is None:
        return {}
    said = part.run.predicate
    parameters = said.get("buildDefinition")
    given = parameters.get("externalParameters") if isinstance(parameters, Mapping) else None
    commit = text_at(said, "buildDefinition", "internalParameters", "git", "commit")
    dirty = text_at(said, "buildDefinition", "internalParameters", "git", "dirty") == "True"
    return {
        "trained": text_at(said, "runDetails", "metadata", "finishedOn"),
        "by": text_at(said, "buildDefinition", "internalParameters", "actor")
        or text_at(said, "runDetails", "builder", "actor"),
        "parameters": _json(given.get("parameters")) if isinstance(given, Mapping) and given.get("parameters") else "",
        "commit": (commit + (" with changes that are not in it" if dirty else "")) if commit else "",
        "provenance": part.run.envelope,
    }


def _answering(facts: ReleaseFacts) -> Iterator[str]:
    yield "## Prompt, provider, index"
    yield ""
    rows = []
    for part in facts.of("prompt"):
        retrieve = part.record.get("retrieve")
        passages = f", {text_at(retrieve, 'passages')} passages of {text_at(retrieve, 'index')}" if retrieve else ""
        rows.append(("prompt", part.component.name, f"asks {text_at(part.record, 'provider')}{passages}"))
    for part in facts.of("provider"):
        where = text_at(part.record, "local") or text_at(part.record, "url") or "its usual address"
        rows.append(
            (
                "provider",
                part.component.name,
                f"{text_at(part.record, 'model')} at {where}, {_json(part.record.get('parameters'))}",
            )
        )
    for part in facts.of("index"):
        sizes = f"{text_at(part.record, 'documents')} documents, {text_at(part.record, 'chunks')} chunks"
        rows.append(("index", part.component.name, f"{sizes}, embedded by {text_at(part.record, 'embedder', 'name')}"))
    yield from _table(("what", "name", "how"), rows)
    yield from _evaluation("### Golden sets", facts.checks)
    golden = sorted({one.definition for one in facts.checks if one.definition})
    if golden:
        yield ""
        yield "Golden sets: " + ", ".join(f"`{digest}`" for digest in golden) + "."


def _evaluation(title: str, checks: Iterable[Measured]) -> Iterator[str]:
    rows = [_measured(one) for one in checks if one.check.value is not None]
    yield ""
    yield title
    yield ""
    if rows:
        yield from _table(("metric", "value", "interval", "level", "n", "against", "measured", "evidence"), rows)
    else:
        yield "Nothing was measured that counts."


def _measured(one: Measured) -> tuple[str, ...]:
    check = one.check
    against = short(one.against) if one.against else check.text
    return (
        check.name,
        _number(check.value),
        _interval(check),
        f"{check.level:.0%}" if check.level else "",
        f"{check.n:,}" if check.n is not None else "",
        against,
        instant(one.statement.at)[:10],
        f"`{short(one.statement.envelope)}`",
    )


def _data(facts: ReleaseFacts) -> Iterator[str]:
    parts = facts.of("data")
    if not parts:
        return
    yield "## Data"
    yield ""
    rows = []
    for part in parts:
        contract = [one.check for one in part.checks if one.check.name == "contract"]
        kept = f"{contract[-1].verdict}: {contract[-1].text}" if contract else "none that counts"
        count = f"{part.rows:,}" if part.rows is not None else ""
        rows.append(
            (part.component.name, f"`{part.component.digest}`", count, _count(part, "files"), _count(part, "bytes"), kept)
        )
    yield from _table(("data set", "digest", "rows", "files", "bytes", "contract"), rows)


def _judged(facts: ReleaseFacts) -> Iterator[str]:
    yield "## Limits that it had to keep"
    if not facts.judged:
        yield ""
        yield "It has not gone live anywhere, so no gate has held it against a limit."
    for one in facts.judged:
        yield ""
        yield f"To go live at `{one.ref}`, by policy `{short(one.policy)}` (verdict `{short(one.verdict)}`):"
        yield ""
        rows = [(c.name, str(c.verdict), _number(c.value), _interval(c), _number(c.threshold), c.text) for c in one.checks]
        yield from (
            _table(("check", "verdict", "value", "interval", "threshold", "asked"), rows) if rows else ["Nothing was asked."]
        )


def _approvals(facts: ReleaseFacts) -> Iterator[str]:
    yield "## Approvals and rebuilds"
    yield ""
    rows = [
        (
            "approval",
            text_at(one.predicate, "approver"),
            instant(one.at),
            text_at(one.predicate, "why"),
            f"`{short(one.envelope)}`",
        )
        for one in facts.approvals
    ]
    rows += [
        ("rebuild", one.key.name, instant(one.at), text_at(one.predicate, "equality"), f"`{short(one.envelope)}`")
        for one in facts.rebuilds
    ]
    yield from _table(("what", "who", "when", "said", "evidence"), rows) if rows else ["None that counts."]


def _environment(facts: ReleaseFacts) -> Iterator[str]:
    parts = facts.of("environment")
    if not parts:
        return
    yield "## Environment"
    yield ""
    python = ", ".join(text_at(part.record, "python") for part in parts)
    yield f"Python {python}; {len(facts.pins)} packages, each locked by its hashes:"
    yield ""
    yield ", ".join(f"{pin.name} {pin.version}" + (f" ({_cell(pin.marker)})" if pin.marker else "") for pin in facts.pins) + "."


def _verify(facts: ReleaseFacts) -> Iterator[str]:
    yield "## How to verify"
    yield ""
    yield "```console"
    yield f"shipway verify {short(facts.release)}"
    yield f"shipway why {short(facts.release)}"
    if facts.of("model") or facts.of("environment"):
        yield f"shipway rebuild {short(facts.release)} --in again"
    yield "```"


# Markdown


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(_cell(value) for value in row)} |"


def _pairs(values: Mapping[str, str]) -> Iterator[str]:
    yield from _table(("what", "value"), [(name, value) for name, value in values.items() if value])


def _cell(text: str) -> str:
    """A text that cannot leave its cell, nor become a heading, a link or HTML of somebody else's making."""
    flat = " ".join(text.split())
    for mark in ("\\", "|", "<", "[", "]"):
        flat = flat.replace(mark, {"<": "&lt;"}.get(mark, f"\\{mark}"))
    return flat


def _columns(signature: Json, side: str) -> str:
    columns = signature.get(side) if isinstance(signature, Mapping) else None
    return ", ".join(f"{text_at(c, 'name')} ({text_at(c, 'datatype')})" for c in (columns if isinstance(columns, list) else []))


def _texts(value: Json) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []


def _json(value: Json) -> str:
    return canonical_json(value).decode()


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _interval(check: Check) -> str:
    return "" if check.low is None or check.high is None else f"{check.low:.4g} to {check.high:.4g}"


def _count(part: PartFacts, key: str) -> str:
    value = part.record.get(key)
    return f"{value:,}" if isinstance(value, int) else ""

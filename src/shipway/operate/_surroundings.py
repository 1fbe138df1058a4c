"""What surrounds a deployment that answers a prompt, looked at on the clock: its documents, its costs, its provider."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple, cast

from shipway.gate import policy_in_force
from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.check import Check, Verdict
from shipway.kernel.digest import Digest, digest_bytes
from shipway.kernel.errors import ShipwayError
from shipway.kernel.units import Seconds
from shipway.llm import (
    Message,
    Provider,
    ProviderDown,
    ProviderMalformed,
    ProviderRefused,
    open_client,
    resolve_prices,
)
from shipway.monitor import (
    Baseline,
    Finding,
    PromptRun,
    Reading,
    Severity,
    check_cost,
    check_freshness,
    compare_prices,
    compare_runs,
    drop_readings,
    freshness_detail,
    keep_reading,
    load_readings,
    measure_cost,
    take_baseline,
    with_prices,
)
from shipway.operate._answering import Parts, parts_of, provider_keys, provider_of, running
from shipway.operate._control import attester
from shipway.pipeline import Hands
from shipway.release import monitors_of, release_descriptor
from shipway.spec import MonitorSpec, Spec
from shipway.store import StateRow, Store

if TYPE_CHECKING:
    from shipway.evals import GoldenRow

BASELINE = "baseline"
DOWN = "down"  # why nothing is known of a provider: it did not answer
AGAIN_SECONDS = 60.0  # until a provider that did not answer is asked again, where the monitor's window is longer
PROMPTS, REPEATS = 8, 2  # golden prompts that the sentinel asks, and how often each: enough to know a provider's noise


@dataclass(frozen=True, slots=True)
class Deployed:
    """A deployment that answers a prompt, as its ref names it now."""

    ref: str
    deployment: JsonObject
    release: Digest
    parts: Parts

    @property
    def gateway(self) -> Mapping[str, Json]:
        return cast("Mapping[str, Json]", self.deployment["gateway"])


def deployed(store: Store, ref: str) -> Deployed:
    """What a deployment's ref names. Raises RefMissing, ReleaseMalformed."""
    deployment = store.get(store.resolve(ref), "deployment")
    release = release_descriptor(deployment).digest
    return Deployed(ref, deployment, release, parts_of(store, release))


def watch_surroundings(
    hands: Hands,
    ref: str,
    *,
    environ: Mapping[str, str],
    spec: Spec | None = None,
    sentinel: bool | None = None,
    anew: bool = False,
) -> tuple[Reading, ...]:
    """Look at what is due and keep the readings; all readings of the deployment, by monitor.

    sentinel: True asks the provider now, False does not, None when its window has passed. spec: where prices of one's own
    stand now; without it the price table alone is compared. anew: what the provider says now is what it is held against from
    here on, as after an exchange that was meant. What one monitor cannot look at (documents that are not there)
    keeps no other from its reading; the first such problem is raised in the end. A provider that does not answer is a reading.
    """
    store, live = hands.store, deployed(hands.store, ref)
    monitors = monitors_of(live.deployment)
    if live.parts.index is None:
        monitors.pop("freshness", None)
    looks: list[Callable[[], tuple[Finding, JsonObject]]] = []
    problems: list[ShipwayError] = []
    if "freshness" in monitors:
        looks.append(lambda: _freshness_or_why_not(store, live, monitors["freshness"], problems))
    if "cost" in monitors:
        looks.append(lambda: _cost(store, ref, monitors["cost"]))
    if "sentinel" in monitors and (sentinel or (sentinel is None and _due(store, ref, monitors["sentinel"].window))):
        looks.append(lambda: _sentinel(hands, live, monitors["sentinel"], environ, spec, anew=anew))
    for look in looks:
        try:
            _keep(hands, live, *look())
        except ShipwayError as problem:
            problems.append(problem)
    drop_readings(store, ref, monitors=list(monitors), now=store.clock.now())
    if problems:
        raise problems[0]
    return load_readings(store, ref)


def _keep(hands: Hands, live: Deployed, finding: Finding, detail: JsonObject) -> None:
    keep_reading(
        hands.store,
        live.ref,
        finding.check.name,
        finding.check,
        severity=finding.severity,
        release=live.release,
        detail=detail,
        now=hands.store.clock.now(),
        window=monitors_of(live.deployment)[finding.check.name].window,
        attest_checks=attester(hands.store, hands.signer),
    )


def _due(store: Store, ref: str, window: Seconds) -> bool:
    newest = next((reading for reading in load_readings(store, ref) if reading.monitor == "sentinel"), None)
    if newest is None:
        return True
    wait = min(window, AGAIN_SECONDS) if newest.detail["by"] == [DOWN] else window
    return store.clock.now() - newest.at >= timedelta(seconds=wait)


def _cost(store: Store, ref: str, monitor: MonitorSpec) -> tuple[Finding, JsonObject]:
    reading = measure_cost(store, ref, window=monitor.window, now=store.clock.now())
    return check_cost(monitor, reading), reading.to_json()


def _freshness_or_why_not(
    store: Store, live: Deployed, monitor: MonitorSpec, problems: list[ShipwayError]
) -> tuple[Finding, JsonObject]:
    """Documents that cannot be looked at are not as fresh as they were last time: nothing is known of them."""
    try:
        return _freshness(store, live, monitor)
    except ShipwayError as problem:
        problems.append(problem)
        text = f"the documents of index {live.parts.index_name} cannot be looked at: {problem.what}"
        check = Check("freshness", Verdict.INCONCLUSIVE, threshold=monitor.page, text=text)
        severity = Severity.PAGE if monitor.page is not None else Severity.INFORM
        nothing: JsonObject = {"documents": 0, "stale": 0, "orphans": 0, "oldest_seconds": None, "examples": []}
        return Finding(severity, check), {"index": live.parts.index_name, **nothing}


def _freshness(store: Store, live: Deployed, monitor: MonitorSpec) -> tuple[Finding, JsonObject]:
    from shipway.rag import measure_freshness

    assert live.parts.index is not None
    assert live.parts.index_name is not None
    sources = cast("Mapping[str, Mapping[str, Json]]", live.gateway["sources"])
    source = sources[live.parts.index_name]
    include = tuple(cast("Sequence[str]", source["include"]))
    found = measure_freshness(
        store,
        live.parts.index,
        source=str(source["source"]),
        include=include,
        root=store.root.parent,
        now=store.clock.now().timestamp(),
    )
    finding = check_freshness(monitor, found, index=live.parts.index_name)
    return finding, freshness_detail(found, index=live.parts.index_name)


def _sentinel(
    hands: Hands, live: Deployed, monitor: MonitorSpec, environ: Mapping[str, str], spec: Spec | None, *, anew: bool
) -> tuple[Finding, JsonObject]:
    """The golden prompts asked anew and compared with what the same provider said when it was first asked.

    anew: what it says now takes the place of that, once it has said it.
    """
    store = hands.store
    provider = provider_of(store, live.parts, keys=provider_keys(live.deployment))
    severity = Severity.PAGE if monitor.page is not None else Severity.INFORM
    threshold = monitor.page if monitor.page is not None else monitor.inform or 0.0
    key = _baseline_key(live)
    row = store.state(BASELINE, key)
    try:
        runs = _ask(store, provider, environ)
    except (ProviderDown, ProviderRefused, ProviderMalformed) as problem:
        check = Check("sentinel", Verdict.INCONCLUSIVE, threshold=threshold, text=f"not asked: {problem.what}")
        kept = row.value["baseline"] if row else None
        return Finding(severity, check), {"by": [DOWN], "prompts": 0, "repeats": 0, "baseline": kept}
    kept_one = None if anew else _kept_baseline(store, row, runs)
    baseline, digest = kept_one or _new_baseline(store, key, live, runs, provider.name)
    found = compare_runs(baseline, runs, threshold=threshold)
    found = with_prices(found, _price_changes(store, live, provider, spec))
    return Finding(severity, found.check), found.detail(digest)


def _baseline_key(live: Deployed) -> str:
    return f"{live.ref}/{live.parts.provider}"


def _kept_baseline(store: Store, row: StateRow | None, runs: Sequence[PromptRun]) -> tuple[Baseline, Digest] | None:
    """The baseline of the provider; None without one, or when none of its prompts is asked any more."""
    if row is None:
        return None
    digest = cast("Digest", row.value["baseline"])
    baseline = Baseline.from_object(store.get(digest, "baseline"))
    asked = {run.prompt for run in runs}
    return (baseline, digest) if any(run.prompt in asked for run in baseline.runs) else None


def _new_baseline(store: Store, key: str, live: Deployed, runs: Sequence[PromptRun], provider: str) -> tuple[Baseline, Digest]:
    baseline = take_baseline(runs, provider=provider)
    digest = store.put(baseline.to_object())
    store.put_state(BASELINE, key, {"version": 1, "baseline": digest, "provider": live.parts.provider})
    return baseline, digest


def _price_changes(store: Store, live: Deployed, provider: Provider, spec: Spec | None) -> tuple[str, ...]:
    """What the price table says otherwise than the one that the deployment books by."""
    digest = live.gateway.get("prices")
    if not digest:
        return ()
    then = store.get(cast("Digest", digest), "prices")
    now = resolve_prices([provider], on=store.clock.now().date(), custom=custom_prices(spec) if spec else _kept_prices(then))
    name = f"{provider.name}/{provider.model}"
    return compare_prices(_only(then, name), _only(now, name))


def custom_prices(spec: Spec) -> dict[str, JsonObject]:
    """The prices of one's own that the spec states, by `provider/model`."""
    return {f"{name}/{p.model}": p.price for name, p in spec.providers.items() if p.price}


def _kept_prices(table: JsonObject) -> dict[str, JsonObject]:
    """Without the spec at hand a price of one's own counts as it was."""
    rates = cast("Mapping[str, JsonObject | None]", table["rates"])
    return {
        name: {field: rate for field, rate in found.items() if field != "source"}
        for name, found in rates.items()
        if found and found.get("source") == "custom"
    }


def _only(table: JsonObject, name: str) -> JsonObject:
    tables = {part: cast("Mapping[str, Json]", table.get(part) or {}) for part in ("rates", "limits")}
    return {part: {name: rows[name]} if name in rows else {} for part, rows in tables.items()}


def _ask(store: Store, provider: Provider, environ: Mapping[str, str]) -> list[PromptRun]:
    """Every golden prompt its number of times, one after another: what is compared must not depend on the company."""
    questions = sentinel_questions(store)
    with running(provider) as reached:
        return asyncio.run(_ask_all(reached, questions, environ))


async def _ask_all(provider: Provider, questions: Sequence[GoldenPrompt], environ: Mapping[str, str]) -> list[PromptRun]:
    runs = []
    async with open_client(environ) as client:
        for asked in questions:
            for _ in range(REPEATS):
                found = await client.complete(provider, [Message("user", asked.text)])
                tokens = None if found.usage.estimated else found.usage.input
                score = asked.score(found.text)
                run = PromptRun(asked.name, tokens, found.text, found.model, found.seconds, score, found.fingerprint)
                runs.append(run)
    return runs


class GoldenPrompt(NamedTuple):
    """A question that the sentinel asks; row: that of the golden set, so that its answer can be held against the target."""

    name: str
    text: str
    row: GoldenRow | None = None

    def score(self, text: str) -> float | None:
        """Whether the answer holds the target; None where nobody has said what is right."""
        from shipway.evals import Answer, find_scorers

        return find_scorers(["contains"], ())["contains"](self.row, Answer(text)) if self.row else None


FIXED_PROMPTS = (
    GoldenPrompt("capital", "What is the capital of France? Answer with one word."),
    GoldenPrompt("count", "Count from one to five in words."),
    GoldenPrompt("json", 'Give the JSON object that has the key "a" with the value 1, and nothing else.'),
    GoldenPrompt("translate", "Translate into French: good morning."),
)
"""What is asked where no golden set is in force: short, and answered alike by one model as long as it is that model."""


def sentinel_questions(store: Store) -> tuple[GoldenPrompt, ...]:
    """Names and texts of the golden prompts: questions of the golden sets in force, else four fixed ones.

    A name holds the question's digest: one that is worded anew is another prompt, not a provider that answers otherwise.
    """
    from shipway.evals import load_goldenset

    found: list[GoldenPrompt] = []
    for name, digest in sorted(policy_in_force(store).golden.items()):
        rows = load_goldenset(store, digest).rows
        found += [GoldenPrompt(f"{name}/{row.id}@{digest_bytes(row.input.encode())[7:15]}", row.input, row) for row in rows]
    return tuple(found[:PROMPTS]) or FIXED_PROMPTS

"""`bisect` over real logs in a real store: the component that did it is named, and what cannot be told is said."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import date, datetime, time
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1] / "monitor"))

from monitor_logs import NOW, REF, Day, log_outcomes, log_predictions, make_days, new_store, time_column

from shipway.access import Actor, open_keys
from shipway.gate import move_ref
from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import Digest
from shipway.models import ModelUnknown
from shipway.monitor import compact_logs
from shipway.operate import BisectImpossible, Bisection, Swap, Window, bisect_models
from shipway.operate import _bisect_model as replays
from shipway.pipeline import MADE, Hands, Silence
from shipway.pipeline._scored import put_scores
from shipway.release import Component, deployment_object, load_components, put_release
from shipway.spec import DeploySpec, OutcomeSpec

DEPLOY = DeploySpec(name="delay@prod", application="delay", environment="prod")


class World:
    """A store with releases whose answers the test decides: running a model is the world outside."""

    def __init__(self, hands: Hands) -> None:
        self.hands = hands
        self.answers: dict[tuple[str, str, str], NDArray[np.float64]] = {}
        self.output = "probability"
        self.columns: list[list[str]] = []
        self.refused: set[tuple[str, str, str]] = set()
        self.asked: list[tuple[str, str, str]] = []

    def python(self, _store: object, environment: Digest, **_: object) -> Path:
        return Path(str(self.hands.store.get(environment)["text"]))

    def score(
        self, _store: object, manifest: JsonObject, columns: Mapping[str, NDArray[Any]], *, python: Path, **_: object
    ) -> dict[str, NDArray[Any]]:
        functions: Any = manifest["functions"]
        key = (str(manifest["fit"]), str(functions["source"]), str(python))
        self.asked.append(key)
        self.columns.append(sorted(columns))
        if key in self.refused:
            raise ModelUnknown("a model of another version")
        return {self.output: self.scores(key)[ORDER[np.searchsorted(X0[ORDER], columns["x0"])]]}

    def scores(self, key: tuple[str, str, str]) -> NDArray[np.float64]:
        return self.answers[key if key in self.answers else ("", "", "")]

    def release(
        self, fit: str, code: str, environment: str, *, inner: str = "x0", target: str = "late", asks: tuple[str, ...] = ("x0",)
    ) -> Digest:
        columns: list[Any] = [{"name": name, "datatype": "FP64"} for name in asks]
        outputs: list[Any] = [{"name": self.output, "datatype": "FP64"}]
        inputs: list[Any] = [{"name": inner, "datatype": "FP64"}]
        model: JsonObject = {
            "kind": "model", "version": 1, "fit": fit, "target": target, "time": "scheduled",
            "signature": {"inputs": columns, "outputs": outputs},
            "functions": {"source": code, "before": "a.b", "after": None, "inputs": inputs},
        }  # fmt: skip
        store = self.hands.store
        parts = [Component("model", "delay", store.put(model))]
        parts += [Component("environment", "", store.put({"kind": "environment", "version": 1, "text": environment}))]
        parts += [Component("data", "flights", store.put({"kind": "snapshot", "version": 1, "text": fit}))]
        parts += [Component("pipeline", "", store.put({"kind": "pipeline", "version": 1}))]
        return put_release(store, parts)

    def serve(self, release: Digest, days: list[Day], *, weight: float | None = None) -> None:
        """The release answered these days, and their outcomes came; weight: how many requests a row stands for."""
        store, outcomes = self.hands.store, {"late": OutcomeSpec(name="late")}
        deployment = store.put(deployment_object(store, release, DEPLOY, outcomes))
        move_ref(store, self.hands.keys, self.hands.actor, ref=REF, target=deployment)
        writer = f"{days[0].day:%m%d}-{release[-8:]}"
        log_predictions(store, days, writer=f"of{writer}", release=release, deployment=deployment, weight=weight)
        log_outcomes(store, days, writer=f"told{writer}")
        compact_logs(store, now=NOW, time_column=time_column)

    def hold_out(self, release: Digest, first: date) -> None:
        """The release was evaluated on rows from that day on."""
        store = self.hands.store
        scores = put_scores(store, pl.DataFrame({"time": [datetime.combine(first, time(8))], "score": [0.5], "label": [1]}))
        (model,) = (part for part in load_components(store, release) if part.kind == "model")
        store.put_state(MADE, model.digest, {"name": "delay", "scores": scores.to_json()})

    def bisect(self, source: Digest, target: Digest, **more: Any) -> Bisection:
        window = Window(REF, more.pop("days", None), more.pop("rows", 50_000))
        return bisect_models(self.hands, source, target, window, report=Silence(), tell=lambda *_: None, **more)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    signer, keys = open_keys(tmp_path / "keys")
    actor = Actor("ada@example.org", frozenset({"admin"}))
    found = World(Hands(new_store(tmp_path / "project"), signer, keys, actor, tmp_path / "cache"))
    monkeypatch.setattr(replays, "open_environment", found.python)
    monkeypatch.setattr(replays, "score_manifest", found.score)
    return found


DAYS = make_days(3, days=20, rows=200)
X0 = np.concatenate([day.columns["x0"] for day in DAYS])
ORDER = np.argsort(X0)  # which row is asked about: no two have one x0
GOOD = np.concatenate([day.score for day in DAYS])
NOISE = np.random.default_rng(5).normal(size=GOOD.size)
WORSE = np.clip(GOOD + 0.3 * NOISE, 0.001, 0.999)


def parts(found: Bisection) -> dict[str, Swap]:
    return {swap.component: swap for swap in found.parted.swaps}


def test_the_code_that_did_it_is_named_and_the_model_that_changed_too_is_not(world: World) -> None:
    near = GOOD + 1e-4 * np.random.default_rng(6).normal(size=GOOD.size)
    for fit in ("f1", "f2"):
        world.answers |= {(fit, "c1", "e1"): GOOD if fit == "f1" else near, (fit, "c2", "e1"): WORSE}
    one, other = world.release("f1", "c1", "e1"), world.release("f2", "c2", "e1")
    world.serve(one, DAYS)
    found = world.bisect(one, other)
    assert [swap.component for swap in found.parted.moved] == ["code"]
    code, model = parts(found)["code"], parts(found)["model"]
    assert code.effect
    assert code.effect.high < -0.01
    assert (model.said, model.because) == ("undecided", ("data/flights",))
    assert model.effect
    assert abs(model.effect.value) < 0.001 < abs(code.effect.value)
    total = found.parted.total
    assert total.value == pytest.approx(found.ends[1] - found.ends[0])
    assert total.value == pytest.approx(code.effect.value + model.effect.value), "two effects are the whole"
    assert total.value - sum(swap.alone.value for swap in found.parted.swaps if swap.alone) == pytest.approx(
        found.parted.interaction.value if found.parted.interaction else 1
    )
    assert found.parted.part_level == pytest.approx(0.975), "two components share what may go wrong"
    assert [(one.rows, one.equal) for one in found.replayed] == [(4000, 4000)], "the replay answers what was answered"
    assert found.asked["replayed"] == 4000
    assert len(world.asked) == len(set(world.asked)) == 4, "both ends and two mixtures, each once"


def test_a_component_that_changes_no_answer_is_said_to_change_none(world: World) -> None:
    world.answers |= {("f1", "c1", e): GOOD for e in ("e1", "e2")} | {("f2", "c1", e): WORSE for e in ("e1", "e2")}
    one, other = world.release("f1", "c1", "e1"), world.release("f2", "c1", "e2")
    world.serve(one, DAYS)
    found = parts(world.bisect(one, other, metric="brier"))
    assert (found["environment"].said, found["model"].said) == ("unchanged", "moved")
    assert found["model"].effect
    assert found["model"].effect.low > 0, "more of a loss"


def test_what_only_both_together_do_is_an_interaction(world: World) -> None:
    world.answers |= {("f1", "c1", "e1"): GOOD, ("f2", "c1", "e1"): GOOD, ("f1", "c2", "e1"): GOOD, ("f2", "c2", "e1"): WORSE}
    one, other = world.release("f1", "c1", "e1"), world.release("f2", "c2", "e1")
    world.serve(one, DAYS)
    parted = world.bisect(one, other).parted
    assert parted.interaction
    assert parted.interaction.value == pytest.approx(parted.total.value)
    assert parted.interaction.high < 0
    assert all(swap.alone and swap.alone.value == 0 and swap.last == parted.swaps[0].last for swap in parted.swaps)


def test_a_mixture_that_does_not_load_leaves_the_other_end_to_judge_by(world: World) -> None:
    world.answers |= {("f1", "c1", "e1"): GOOD, ("f1", "c1", "e2"): GOOD, ("f2", "c1", "e2"): WORSE}
    world.refused = {("f2", "c1", "e1")}
    one, other = world.release("f1", "c1", "e1"), world.release("f2", "c1", "e2")
    world.serve(one, DAYS)
    found = world.bisect(one, other)
    model, environment = parts(found)["model"], parts(found)["environment"]
    assert (model.said, model.alone, environment.said, environment.last) == ("moved", None, "unchanged", None)
    assert model.why == "the first release with the second's model: a model of another version"
    assert found.parted.interaction is None
    world.refused |= {("f1", "c1", "e2")}
    told = world.bisect(one, other).parted
    assert [swap.said for swap in told.swaps] == ["inseparable", "inseparable"]
    assert told.remainder
    assert told.remainder.value == told.total.value
    assert not told.decided


def test_model_and_code_that_speak_of_other_columns_are_one_component(world: World) -> None:
    world.answers |= {("f1", "c1", "e1"): GOOD, ("f2", "c2", "e1"): WORSE}
    one, other = world.release("f1", "c1", "e1"), world.release("f2", "c2", "e1", inner="log_x0")
    world.serve(one, DAYS)
    (swap,) = world.bisect(one, other).parted.swaps
    assert (swap.component, swap.said, swap.alone) == ("model and code", "moved", swap.last)


def test_a_replay_that_answers_otherwise_than_was_answered_is_counted(world: World) -> None:
    world.answers |= {("f1", "c1", "e1"): np.where(np.arange(GOOD.size) < 40, 0.5, GOOD), ("f2", "c1", "e1"): WORSE}
    one, other = world.release("f1", "c1", "e1"), world.release("f2", "c1", "e1")
    world.serve(one, DAYS)
    assert [(one.rows, one.equal) for one in world.bisect(one, other).replayed] == [(4000, 3960)]


def test_more_rows_than_are_wanted_are_thinned_evenly_over_the_days(world: World) -> None:
    world.answers[("", "", "")] = GOOD
    one, other = world.release("f1", "c1", "e1"), world.release("f2", "c1", "e1")
    world.serve(one, DAYS)
    facts = world.bisect(one, other, rows=1000).asked
    assert (facts["with_outcome"], facts["replayed"], facts["days"]) == (4000, 1000, 20)


def test_a_row_of_a_sampled_log_counts_for_the_requests_that_it_stands_for(world: World) -> None:
    """Against scikit-learn, on days that were logged whole and days of which a tenth was."""
    metrics = import_module("sklearn.metrics")
    world.answers |= {("f1", "c1", "e1"): GOOD, ("f2", "c1", "e1"): WORSE}
    one, other = world.release("f1", "c1", "e1"), world.release("f2", "c1", "e1")
    world.serve(one, DAYS[:15])
    world.serve(one, DAYS[15:], weight=10.0)
    labels, weights = np.concatenate([day.label for day in DAYS]), np.repeat([1.0, 10.0], [3000, 1000])
    found = world.bisect(one, other)
    assert found.ends == pytest.approx(
        [metrics.roc_auc_score(labels, scores, sample_weight=weights) for scores in (GOOD, WORSE)], abs=1e-12
    )
    assert found.parted.total.value == pytest.approx(found.ends[1] - found.ends[0])
    assert (found.asked["replayed"], found.asked["stand_for"]) == (4000, 13_000)
    assert found.over == f"4,000 logged requests (which stand for 13,000) with outcomes on 20 days of {REF}"
    brier = world.bisect(one, other, metric="brier")
    assert brier.ends == pytest.approx(
        [metrics.brier_score_loss(labels, scores, sample_weight=weights) for scores in (GOOD, WORSE)], abs=1e-12
    )


def test_what_cannot_be_told_says_why_and_how_many_more_it_takes(world: World) -> None:
    world.answers[("", "", "")] = GOOD
    one, other = world.release("f1", "c1", "e1"), world.release("f2", "c1", "e1")

    def refusal(**more: Any) -> str:
        with pytest.raises(BisectImpossible) as caught:
            world.bisect(more.pop("source", one), more.pop("target", other), **more)
        return caught.value.what

    assert refusal() == "no request has been logged"
    world.serve(one, DAYS)
    assert refusal(target=one).endswith("have the same model, code around it and environment")
    assert refusal(target=world.release("f2", "c1", "e1", target="gone")) == "one release predicts late, the other gone"
    assert refusal(metric="recall") == "a probability has no metric recall"
    assert refusal(days=(date(2020, 1, 1), date(2020, 1, 2))) == "no request was logged on 2020-01-01..2020-01-02"
    first = DAYS[0].day
    assert refusal(days=(first, first)) == (
        "an interval needs at least two days with outcomes of both classes, and there is 1: 1 more day, about 200 requests"
    )


def test_rows_that_one_of_the_two_may_have_been_trained_on_are_left_out_and_counted(world: World) -> None:
    world.answers |= {("f1", "c1", "e1"): GOOD, ("f2", "c1", "e1"): WORSE}
    one, other = world.release("f1", "c1", "e1"), world.release("f2", "c1", "e1")
    world.serve(one, DAYS)
    world.hold_out(one, DAYS[2].day)
    world.hold_out(other, DAYS[12].day)
    trained = f"from before {DAYS[12].day}, which one of the two may have been trained on"
    for found in (world.bisect(one, other), world.bisect(other, one)):
        kept = ("first", "days", "with_outcome", "left_out", "unseen_from", "replayed")
        assert [found.asked[name] for name in kept] == [str(DAYS[12].day), 8, 4000, 2400, str(DAYS[12].day), 1600]
        assert found.over == f"1,600 logged requests with outcomes on 8 days of {REF}; 2,400 {trained}, are left out"
    with pytest.raises(BisectImpossible, match=f"all 2,400 requests .* are {trained}"):
        world.bisect(one, other, days=(DAYS[0].day, DAYS[11].day))
    with pytest.raises(BisectImpossible, match=f"there is 1: .*; 200 {trained}"):
        world.bisect(one, other, days=(DAYS[11].day, DAYS[12].day))


def test_a_model_that_asks_for_a_new_column_is_replayed_on_rows_that_were_logged_with_it(world: World) -> None:
    world.answers |= {("f1", "c1", "e1"): WORSE, ("f2", "c1", "e1"): GOOD}
    one, other = world.release("f1", "c1", "e1"), world.release("f2", "c1", "e1", asks=("x0", "x1"))
    world.serve(one, DAYS)
    with pytest.raises(BisectImpossible, match="has logged all of x0, x1"):
        world.bisect(one, other)
    later = [day._replace(day=day.day.replace(year=2014), columns={**day.columns, **_a_year_later(day)}) for day in DAYS]
    world.serve(other, later)
    found = world.bisect(one, other)
    assert [swap.component for swap in found.parted.moved] == ["model"]
    assert world.columns == [["x0"], ["x0", "x1"]], "each is asked as it asks"
    assert [one.release for one in found.replayed] == [other]


def _a_year_later(day: Day) -> dict[str, NDArray[Any]]:
    return {"scheduled": np.array([str(text).replace("2013", "2014") for text in day.columns["scheduled"]], dtype=object)}


def test_a_number_is_told_apart_by_its_error_of_which_less_is_better(world: World) -> None:
    world.output = "prediction"
    world.answers |= {("f1", "c1", "e1"): GOOD, ("f2", "c1", "e1"): GOOD + 0.5}
    one, other = world.release("f1", "c1", "e1"), world.release("f2", "c1", "e1")
    world.serve(one, DAYS)
    found = world.bisect(one, other)
    assert (found.metric, found.better) == ("absolute_error", "lower")
    assert found.parted.total.low > 0.1
    assert found.parted.swaps[0].said == "moved"

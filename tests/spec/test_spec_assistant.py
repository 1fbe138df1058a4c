"""The sections of an application that answers a prompt: the example, the short forms, and every mistake by its place."""

from __future__ import annotations

import random
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.kernel.errors import ShipwayError
from shipway.kernel.units import Seconds
from shipway.spec import (
    ADDED_MONITORS,
    REQUEST_MONITORS,
    BudgetSpec,
    DeploySpec,
    EvalSpec,
    GatewayKeySpec,
    GatewaySpec,
    IndexSpec,
    MonitorSpec,
    PromptSpec,
    ProviderSpec,
    Spec,
    SpecMalformed,
    default_monitors,
    evaluation_of,
    lower_is_better,
    parse_requirement,
    parse_spec,
    policy_from_json,
    policy_to_json,
)

ASSISTANT = Path(__file__).with_name("assistant.yaml").read_text()
DAY, MONTH = Seconds(86_400.0), Seconds(30 * 86_400.0)


def parsed(text: str) -> Spec:
    return parse_spec("project: p\n" + text, path="shipway.yaml")


def mistake(text: str) -> SpecMalformed:
    with pytest.raises(SpecMalformed) as caught:
        parsed(text)
    assert len(caught.value.render().splitlines()) <= 4
    return caught.value


def test_the_example_is_exactly_these_values() -> None:
    spec = parse_spec(ASSISTANT, path="shipway.yaml")
    assert spec.providers == {
        "answer": ProviderSpec(
            name="answer",
            model="smollm2",
            url="http://127.0.0.1:4790/v1",
            parameters={"temperature": 0, "max_tokens": 48, "seed": 7, "stop": ["\n"]},
        ),
        "other": ProviderSpec(
            name="other", model="gpt-4o-mini", url="https://api.openai.com/v1", key="secret://env/OPENAI_KEY"
        ),
        "judge": ProviderSpec(
            name="judge",
            model="claude-haiku",
            url="https://api.anthropic.com/v1",
            shape="anthropic",
            key="secret://env/ANTHROPIC_KEY",
        ),
        "own": ProviderSpec(name="own", model="smollm2", local="smollm2"),
    }
    assert spec.prompts == {
        "answer": PromptSpec(name="answer", file="prompts/answer.md", provider="answer", index="docs", passages=4),
        "short": PromptSpec(name="short", file="prompts/short.md", provider="own", index=None, passages=3),
    }
    assert spec.indexes == {
        "docs": IndexSpec(
            name="docs",
            source="../corpus",
            include=("**/*.txt",),
            chunk=800,
            access={"internal/**": ("staff",), "board/*": ("board",)},
        )
    }
    assert spec.evals == {
        "golden": EvalSpec(name="golden", file="golden.jsonl", samples=2, at=(5, 10), judge="judge"),
        "quick": EvalSpec(name="quick", file="golden.jsonl"),
    }
    assert spec.deploy == {
        "assistant@prod": DeploySpec(
            name="assistant@prod",
            application="assistant",
            environment="prod",
            target="gateway",
            monitors={
                "freshness": MonitorSpec(name="freshness", page=0.0, window=Seconds(1800.0)),
                "cost": MonitorSpec(name="cost", page=5.0, window=DAY),
                "sentinel": MonitorSpec(name="sentinel", page=0.2, window=Seconds(3600.0)),
                **REQUEST_MONITORS,
            },
            follow=("index/docs", "prompt/answer"),
            uses=("prompt/answer",),
        )
    }
    assert spec.gateway == GatewaySpec(
        budget=BudgetSpec(usd=200.0, window=MONTH, text="200 usd/month"),
        rate=600,
        ledger_down="allow",
        timeout=Seconds(30.0),
        retries=1,
        fallback={"answer": ("other", "own")},
        exact_cache=False,
        semantic_errors=0.01,
        keys={
            "team": GatewayKeySpec(
                name="team",
                key="secret://env/TEAM_KEY",
                budget=BudgetSpec(usd=5.0, window=DAY, text="5 usd/day"),
                rate=60,
            ),
            "guest": GatewayKeySpec(name="guest", key="sha256:" + "a" * 64),
        },
    )


def test_providers_and_a_gateway_are_enough() -> None:
    spec = parsed("providers: {a: {model: m, key: secret://env/A}}\ngateway: {rate: 10/minute}")
    assert (spec.gateway.rate, spec.prompts, spec.deploy) == (10, {}, {})
    assert parsed("data: {}").gateway == GatewaySpec()


# short forms and defaults


@pytest.mark.parametrize(
    ("providers", "prompt", "expected"),
    [
        ("a: {model: m}", "a.md", "a"),
        ("other: {model: m}", "a.md", "other"),
        ("a: {model: m}, b: {model: m}", "a.md", "a"),
        ("a: {model: m}, b: {model: m}", "{file: a.md, provider: b}", "b"),
    ],
)
def test_a_prompt_is_answered_by_the_provider_of_its_name_or_the_only_one(providers: str, prompt: str, expected: str) -> None:
    assert parsed(f"providers: {{{providers}}}\nprompts: {{a: {prompt}}}").prompts["a"].provider == expected


def test_a_prompt_reads_the_only_index_or_none() -> None:
    text = "providers: {a: {model: m}}\nprompts: {a: a.md, b: {file: b.md, index: off}}\n"
    assert [prompt.index for prompt in parsed(text).prompts.values()] == [None, None]
    assert [prompt.index for prompt in parsed(text + "indexes: {docs: corpus}").prompts.values()] == ["docs", None]


def test_an_index_in_short_takes_every_file_of_a_folder_wherever_it_lies() -> None:
    spec = parsed("indexes: {a: corpus, b: /mnt/corpus, c: ../corpus}")
    assert [index.source for index in spec.indexes.values()] == ["corpus", "/mnt/corpus", "../corpus"]
    assert spec.indexes["a"] == IndexSpec(name="a", source="corpus", include=("**/*",), embedder="minilm", chunk=1000)


def test_weights_by_path_are_called_by_the_files_name() -> None:
    provider = parsed("providers: {a: {local: /models/Tiny-Q4.gguf}}").providers["a"]
    assert (provider.model, provider.local, provider.url) == ("Tiny-Q4", "/models/Tiny-Q4.gguf", "")


@pytest.mark.parametrize(
    ("text", "usd", "window"),
    [
        ("200 usd/month", 200.0, 30 * 86_400.0),
        ("5 usd/day", 5.0, 86_400.0),
        ("1.5  usd/hour", 1.5, 3600.0),
        ("2 usd/week", 2.0, 604_800.0),
    ],
)
def test_a_budget_is_dollars_in_a_time(text: str, usd: float, window: float) -> None:
    budget = parsed(f"gateway: {{budget: {text}}}").gateway.budget
    assert budget == BudgetSpec(usd=usd, window=Seconds(window), text=" ".join(text.split()))


@pytest.mark.parametrize(("text", "rate"), [("600/minute", 600), ("2/second", 120), ("600 / minute", 600)])
def test_a_rate_is_calls_a_minute(text: str, rate: int) -> None:
    assert parsed(f"gateway: {{rate: {text}}}").gateway.rate == rate


@pytest.mark.parametrize(
    ("words", "exact", "errors"),
    [
        ("exact_cache: on, semantic_cache: off", True, None),
        ("exact_cache: true, semantic_cache: false", True, None),
        ("exact_cache: off, semantic_cache: {errors: 0.5%}", False, 0.005),
    ],
)
def test_caches_are_switched(words: str, exact: bool, errors: float | None) -> None:
    gateway = parsed(f"gateway: {{{words}}}").gateway
    assert (gateway.exact_cache, gateway.semantic_errors) == (exact, errors)


PARAMETERS = {
    "temperature: 0.7": 0.7,
    "top_p: 1": 1,
    "top_k: 40": 40,
    "min_p: 0.05": 0.05,
    "seed: -1": -1,
    'stop: ["\\n", end]': ["\n", "end"],
    "stop: end": ["end"],
    "max_tokens: 1": 1,
    "max_completion_tokens: 10": 10,
    "frequency_penalty: -2": -2,
    "presence_penalty: 2": 2,
    "repeat_penalty: 1.1": 1.1,
    "response_format: {type: json_object}": {"type": "json_object"},
    "reasoning_effort: low": "low",
}


@pytest.mark.parametrize("line", PARAMETERS)
def test_each_parameter_is_kept_as_it_is_meant(line: str) -> None:
    parameters = parsed(f"providers: {{a: {{model: m, {line}}}}}").providers["a"].parameters
    assert parameters == {line.partition(":")[0]: PARAMETERS[line]}


def test_a_price_of_ones_own_is_dollars_per_million_tokens() -> None:
    providers = parsed(
        "providers: {a: {model: m, price: {input: 1, cached: 0.5, output: 2}}, b: {local: m, price: {input: 0, output: 0}}}"
    )
    prices = [provider.price for provider in providers.providers.values()]
    assert prices == [{"input": 1.0, "cached": 0.5, "output": 2.0}, {"input": 0.0, "output": 0.0}]
    assert providers.providers["a"].parameters == {}


# monitors


GATEWAY = "providers: {a: {model: m}}\nprompts: {a: a.md}\n"


def test_a_gateway_is_watched_for_freshness_and_by_a_sentinel_and_for_cost_when_a_sum_is_stated() -> None:
    freshness = MonitorSpec(name="freshness", page=0.0, window=Seconds(900.0))
    sentinel = MonitorSpec(name="sentinel", page=0.1, window=Seconds(3600.0))
    indexed = GATEWAY + "indexes: {docs: corpus}\n"
    assert parsed(indexed + "deploy: {a@b: {target: gateway}}").deploy["a@b"].monitors == {
        "freshness": freshness,
        "sentinel": sentinel,
        **REQUEST_MONITORS,
    }
    bare = parsed(GATEWAY + "deploy: {a@b: {target: gateway}}").deploy["a@b"].monitors
    assert bare == {"sentinel": sentinel, **REQUEST_MONITORS}
    entry = "{target: gateway, monitors: {sentinel: off, silence: off, cost: {inform: 0, window: 7d}}}"
    assert parsed(indexed + f"deploy: {{a@b: {entry}}}").deploy["a@b"].monitors == {
        "freshness": freshness,
        "cost": MonitorSpec(name="cost", inform=0.0, window=Seconds(7 * 86_400.0)),
        **{name: monitor for name, monitor in REQUEST_MONITORS.items() if name != "silence"},
    }
    assert default_monitors("local").keys() == {"calibration", "base_rate", "drift", *ADDED_MONITORS}


# metrics of evaluations


EVALS = "evals: {golden: {file: g.jsonl, at: [3, 10]}}\n"


@pytest.mark.parametrize("metric", ["recall_at_3", "ndcg_at_10", "mrr", "exact", "contains", "cost_usd", "seconds"])
def test_what_an_evaluation_measures_may_be_asked(metric: str) -> None:
    rule = parsed(EVALS + f"policy: {{deploy/a@b: {{golden.{metric}: not worse by 0.1}}}}").policy["deploy/a@b"]
    assert rule.require == (parse_requirement(f"golden.{metric}", "not worse by 0.1"),)
    record = policy_to_json({rule.ref: rule})
    assert policy_to_json(policy_from_json(record)) == record


def test_a_judges_share_may_be_asked_where_there_is_a_judge() -> None:
    judged = "providers: {j: {model: m}}\nevals: {g: {file: g.jsonl, judge: j}}\npolicy: {deploy/a@b: {g.judge: at least 0.5}}"
    assert parsed(judged).evals["g"].metrics == (
        "g.recall_at_5",
        "g.ndcg_at_5",
        "g.mrr",
        "g.exact",
        "g.contains",
        "g.judge",
        "g.cost_usd",
        "g.seconds",
    )


def test_a_check_of_another_tool_is_named_so() -> None:
    assert parsed("policy: {deploy/a@b: {import.junit.smoke: pass}}").policy["deploy/a@b"].require


@pytest.mark.parametrize("metric", ["brier", "golden.cost_usd", "my-set.seconds"])
def test_where_less_is_better(metric: str) -> None:
    assert lower_is_better(metric)


@pytest.mark.parametrize("metric", ["auc", "golden.exact", "cost_usd", "golden.x.seconds", "Golden.seconds"])
def test_where_more_is_better(metric: str) -> None:
    assert not lower_is_better(metric)


def test_a_stored_policy_may_ask_any_metric_of_a_well_formed_name() -> None:
    assert parse_requirement("gone.recall_at_100", "at least 0.5").name == "gone.recall_at_100"
    for name in (
        "golden.recall_at_0",
        "golden.recall_at_",
        "golden.recall_at_99999",
        "golden.",
        ".exact",
        "G.exact",
        "g.x.exact",
    ):
        assert evaluation_of(name) is None
        with pytest.raises(SpecMalformed, match="no evaluation measures"):
            parse_requirement(name, "at least 0.5")


@given(st.from_regex(r"[a-z][a-z0-9_-]{0,8}", fullmatch=True), st.integers(1, 9999), st.sampled_from(["recall", "ndcg"]))
def test_every_legal_name_of_an_evaluation_has_its_metrics(name: str, at: int, metric: str) -> None:
    assert evaluation_of(f"{name}.{metric}_at_{at}") == name


# mistakes


A = "providers: {a: {model: m}, bcd: {model: m}}\n"  # line 2
MISTAKES = {
    "a provider without a model": ("providers: {a: {}}", "2:13", "local:"),
    "a provider that is a word": ("providers: {a: gpt}", "2:16", "KEY: VALUE"),
    "an unknown parameter": ("providers: {a: {model: m, temprature: 1}}", "2:27", "did you mean `temperature`?"),
    "an unknown shape": ("providers: {a: {model: m, shape: antropic}}", "2:34", "did you mean `anthropic`?"),
    "http to somewhere else": ("providers: {a: {model: m, url: http://example.org/v1}}", "2:32", "https://"),
    "http to a name that begins like ours": (
        "providers: {a: {model: m, url: http://127.0.0.1.example.org}}",
        "2:32",
        "https://",
    ),
    "no url": ("providers: {a: {model: m, url: example.org/v1}}", "2:32", "as in https://"),
    "a url of another kind": ("providers: {a: {model: m, url: 'file:///etc/passwd'}}", "2:32", "as in https://"),
    "a url with a port that is none": ("providers: {a: {model: m, url: 'https://a:x/v1'}}", "2:32", "as in https://"),
    "a url without end of brackets": ("providers: {a: {model: m, url: 'http://[::1/v1'}}", "2:32", "as in https://"),
    "half a price": ("providers: {a: {model: m, price: {input: 1}}}", "2:34", "output: 0.6"),
    "a price below nothing": ("providers: {a: {model: m, price: {input: -1, output: 1}}}", "2:42", None),
    "a price of something else": ("providers: {a: {model: m, price: {inptu: 1}}}", "2:35", "did you mean `input`?"),
    "a local provider with a url": ("providers: {a: {local: m, url: 'https://a/v1'}}", "2:27", "remove it"),
    "a local provider with a key": ("providers: {a: {local: m, key: secret://env/A}}", "2:27", "remove it"),
    "too hot": ("providers: {a: {model: m, temperature: 2.1}}", "2:40", None),
    "no tokens": ("providers: {a: {model: m, max_tokens: 0}}", "2:39", None),
    "half a seed": ("providers: {a: {model: m, seed: 0.5}}", "2:33", None),
    "a stop of nothing": ('providers: {a: {model: m, stop: ""}}', "2:33", "###"),
    "a stop twice": ("providers: {a: {model: m, stop: [a, a]}}", "2:33", "###"),
    "a prompt outside": (A + "prompts: {a: ../a.md}", "3:14", "no `..`"),
    "a prompt without a file": (A + "prompts: {a: {provider: a}}", "3:11", "prompts/NAME.md"),
    "a prompt of a provider that is not there": (
        A + "prompts: {a: {file: a.md, provider: bdc}}",
        "3:37",
        "did you mean `bcd`?",
    ),
    "a prompt that does not say its provider": (A + "prompts: {p: p.md}", "3:11", "provider: a or bcd"),
    "a prompt without any provider": ("prompts: {p: p.md}", "2:11", "providers:"),
    "a prompt of an index that is not there": (A + "prompts: {a: {file: a.md, index: docs}}", "3:34", "declare the index"),
    "a prompt with nothing to read": (A + "prompts: {a: {file: a.md, passages: 0}}", "3:37", None),
    "an index without a source": ("indexes: {a: {store: local}}", "2:11", "source:"),
    "an unknown store": ("indexes: {a: {source: s, store: pgvectr}}", "2:33", "did you mean `pgvector`?"),
    "a store somewhere unknown": ("indexes: {a: {source: s, store: milvus}}", "2:11", "url:"),
    "a local store with a url": ("indexes: {a: {source: s, url: x}}", "2:31", "store:"),
    "an unknown embedder": ("indexes: {a: {source: s, embedder: minlm}}", "2:36", "did you mean `minilm`?"),
    "tiny chunks": ("indexes: {a: {source: s, chunk: 1}}", "2:33", None),
    "nothing included": ("indexes: {a: {source: s, include: []}}", "2:35", "globs"),
    "including what is outside": ("indexes: {a: {source: s, include: ['../*']}}", "2:36", "below"),
    "access for nobody": ("indexes: {a: {source: s, access: {'x/**': []}}}", "2:43", "[staff]"),
    "access to what is outside": ("indexes: {a: {source: s, access: {'/x/**': staff}}}", "2:35", "below"),
    "an evaluation without a file": ("evals: {g: {samples: 2}}", "2:9", "golden.jsonl"),
    "an evaluation outside": ("evals: {g: /data/g.jsonl}", "2:12", "no `..`"),
    "no samples": ("evals: {g: {file: g.jsonl, samples: 0}}", "2:37", None),
    "very many samples": ("evals: {g: {file: g.jsonl, samples: 101}}", "2:37", None),
    "at nothing": ("evals: {g: {file: g.jsonl, at: []}}", "2:32", "[a, b]"),
    "at 0": ("evals: {g: {file: g.jsonl, at: [0]}}", "2:33", None),
    "at 5 twice": ("evals: {g: {file: g.jsonl, at: [5, 5]}}", "2:32", "keep one"),
    "a judge that is not there": (A + "evals: {g: {file: g.jsonl, judge: gpt}}", "3:35", "one of: a, bcd"),
    "an unknown scorer": ("evals: {g: {file: g.jsonl, scorers: [exact, contain]}}", "2:45", "did you mean `contains`?"),
    "a gateway without a prompt": ("deploy: {a@b: {target: gateway}}", "2:24", "prompts:"),
    "a gateway that drifts": (
        GATEWAY + "deploy: {a@b: {target: gateway, monitors: {drift: off}}}",
        "4:44",
        "one of: freshness",
    ),
    "a predictor that is fresh": ("deploy: {a@b: {monitors: {freshness: off}}}", "2:27", "one of: calibration"),
    "freshness of nothing": (
        GATEWAY + "deploy: {a@b: {target: gateway, monitors: {freshness: {page: 0}}}}",
        "4:44",
        "remove it",
    ),
    "cost without a sum": (GATEWAY + "deploy: {a@b: {target: gateway, monitors: {cost: {window: 1d}}}}", "4:50", "page: 5"),
    "a share below nothing": (GATEWAY + "deploy: {a@b: {target: gateway, monitors: {sentinel: {page: -1}}}}", "4:61", None),
    "following an index that is not there": ("indexes: {docs: c}\ndeploy: {a@b: {follow: [index/dcos]}}", "3:25", "`docs`"),
    "following a prompt where there is none": ("deploy: {a@b: {follow: prompt/a}}", "2:24", "declare the prompt"),
    "using a prompt that is not there": (GATEWAY + "deploy: {a@b: {target: gateway, uses: [b]}}", "4:40", "one of: a"),
    "using what is no component": (GATEWAY + "deploy: {a@b: {target: gateway, uses: [x/a]}}", "4:40", "prompt/NAME"),
    "a policy of a prompt that is not there": (GATEWAY + "policy: {prompt/b: {}}", "4:10", "one of: a"),
    "a policy of an index that is not there": ("indexes: {docs: c}\npolicy: {index/dosc: {}}", "3:10", "`docs`"),
    "a metric of an evaluation that is not there": (
        EVALS + "policy: {deploy/a@b: {goldn.exact: at least 1}}",
        "3:23",
        "`golden`",
    ),
    "a metric where there are no evaluations": ("policy: {deploy/a@b: {golden.exact: at least 1}}", "2:23", "evals:"),
    "a metric at another k": (EVALS + "policy: {deploy/a@b: {golden.recall_at_5: at least 1}}", "3:23", "`golden.recall_at_3`"),
    "a metric misspelt": (EVALS + "policy: {deploy/a@b: {golden.contain: at least 1}}", "3:39", "`golden.contains`"),
    "a judge that nobody named": (EVALS + "policy: {deploy/a@b: {golden.judge: at least 1}}", "3:23", None),
    "a metric that passes": (EVALS + "policy: {deploy/a@b: {golden.exact: pass}}", "3:23", "at least"),
    "one bad metric of two": (EVALS + "policy: {deploy/a@b: {golden.exact: [at least 1, pass]}}", "3:23", "at least"),
    "a budget without a time": ("gateway: {budget: 5 usd}", "2:19", "5 usd/day"),
    "a budget that is a number": ("gateway: {budget: 5}", "2:19", "5 usd/day"),
    "a budget of nothing": ("gateway: {budget: 0 usd/day}", "2:19", "5 usd/day"),
    "a budget in another money": ("gateway: {budget: 5 eur/day}", "2:19", "5 usd/day"),
    "a rate without a time": ("gateway: {rate: 600}", "2:17", "600/minute"),
    "a rate of nothing": ("gateway: {rate: 0/minute}", "2:17", "600/minute"),
    "a ledger that shrugs": ("gateway: {ledger_down: alow}", "2:24", "did you mean `allow`?"),
    "no time at all": ("gateway: {timeout: 0s}", "2:20", "60s"),
    "many retries": ("gateway: {retries: 11}", "2:20", "as in 2"),
    "a fallback of nobody": (A + "gateway: {fallback: {x: [a]}}", "3:22", "one of: a, bcd"),
    "a fallback to nobody": (A + "gateway: {fallback: {a: [x]}}", "3:26", "one of: a, bcd"),
    "a fallback to nothing": (A + "gateway: {fallback: {a: []}}", "3:25", "name one"),
    "a fallback to itself": (A + "gateway: {fallback: {a: [bcd, a]}}", "3:31", "another provider"),
    "a cache that is neither on nor off": ("gateway: {exact_cache: maybe}", "2:24", "one of: on, off"),
    "a semantic cache without a promise": ("gateway: {semantic_cache: on}", "2:27", "{errors: 1%}"),
    "a semantic cache that says nothing": ("gateway: {semantic_cache: {}}", "2:27", "{errors: 1%}"),
    "a promise of nothing": ("gateway: {semantic_cache: {errors: 0%}}", "2:36", "1%"),
    "a promise that is a number": ("gateway: {semantic_cache: {errors: 0.01}}", "2:36", "1%"),
    "a key without a key": ("gateway: {keys: {team: {rate: 1/minute}}}", "2:18", "secret://env/NAME"),
    "one key for two": ("gateway: {keys: {a: secret://env/A, b: {key: secret://env/A}}}", "2:40", "of its own"),
    "a key of no group": ("gateway: {keys: {a: {key: secret://env/A, groups: []}}}", "2:51", "[staff]"),
    "a tenant that is no name": ("gateway: {keys: {a: {key: secret://env/A, tenant: Big Co}}}", "2:51", "`big-co`"),
    "an evaluation of no group": ("evals: {golden: {file: g.jsonl, groups: []}}", "2:41", "[staff]"),
    "an unknown key of the gateway": ("gateway: {bugdet: 5 usd/day}", "2:11", "did you mean `budget`?"),
}


@pytest.mark.parametrize(("text", "place", "mend"), MISTAKES.values(), ids=MISTAKES)
def test_what_cannot_be_meant_is_named_with_the_way_to_mend_it(text: str, place: str, mend: str | None) -> None:
    error = mistake(text)
    assert error.where == f"shipway.yaml:{place}"
    assert mend is None or mend in (error.mend or "")


def test_with_several_indexes_a_prompt_says_which() -> None:
    error = mistake(A + "indexes: {x: x, y: y}\nprompts: {a: a.md}")
    assert (error.where, error.mend) == ("shipway.yaml:4:11", "index: x or y or off")


# secrets


SECRET = "sk-proj-7Q9x"
PLACES = [
    "providers: {{a: {{model: m, key: {0}}}}}",
    'providers: {{a: {{model: m, key: "{0}"}}}}',
    "providers: {{a: {{model: m, key: [{0}]}}}}",
    "providers: {{a: {{model: m, key: {{x: {0}}}}}}}",
    "providers: {{a: {{model: m, key: secret://env/{0}}}}}",
    "providers: {{a: {{model: m, url: 'https://me:{0}@example.org/v1'}}}}",
    "providers: {{a: {{model: m, url: 'http://{0}@127.0.0.1/v1'}}}}",
    "providers: {{a: {{model: m, url: 'https://example.org/v1?key={0}'}}}}",
    "providers: {{a: {{model: m, url: 'https://example.org/v1#{0}'}}}}",
    "indexes: {{a: {{source: s, store: pgvector, url: 'postgresql://me:{0}@db/x'}}}}",
    "indexes: {{a: {{source: s, store: pgvector, url: 'host=db password={0}'}}}}",
    "gateway: {{keys: {{team: {0}}}}}",
    "gateway: {{keys: {{{0}: {{rate: 1/minute}}}}}}",
    "gateway: {{keys: [{0}]}}",
    "indexes: {{a: {{source: s, store: pgvector, url: 'postgresql://me:a/{0}@db/x'}}}}",
    "gateway: {{keys: {{team: {{key: {0}}}}}}}",
    "gateway: {{keys: {{team: {{key: 'sha256:{0}'}}}}}}",
]


@pytest.mark.parametrize("place", PLACES)
def test_a_secret_in_the_spec_is_refused_and_never_repeated(place: str) -> None:
    error = mistake(place.format(SECRET))
    assert SECRET not in error.render()
    assert SECRET not in str(error.__cause__)


@given(st.sampled_from([place for place in PLACES if "secret://" not in place]), st.text(min_size=6))
@settings(max_examples=200)
def test_no_text_in_the_place_of_a_key_is_repeated(place: str, secret: str) -> None:
    """Whatever stands there; one that reads as another value or breaks the YAML is some other error of ours."""
    word = quote(secret, safe="") + "-Zq7"
    assert word not in mistake(place.format(word)).render()


@pytest.mark.parametrize("number", ["12345678", "0x1234567", "1e9", "true"])
def test_a_key_that_reads_as_a_number_is_not_repeated_either(number: str) -> None:
    assert number not in mistake(f"providers: {{a: {{model: m, key: {number}}}}}").what


# anything at all


WORDS = ASSISTANT.split()
PIECES = [*WORDS, "[", "]", "{", "}", ",", "off", "~", "0", "-1", "1e400", "''", "secret://env/", "http://[", "x" * 300, "ü"]


@given(st.randoms(use_true_random=False), st.integers(1, 4))
@settings(max_examples=300)
def test_the_example_with_words_swapped_raises_only_our_errors(chance: random.Random, times: int) -> None:
    text = ASSISTANT
    for _ in range(times):
        text = text.replace(chance.choice(WORDS), chance.choice(PIECES), 1)
    with suppress(ShipwayError):
        parse_spec(text, path="shipway.yaml")


@given(st.sampled_from(["budget", "rate", "timeout", "retries", "exact_cache", "semantic_cache"]), st.text())
def test_no_text_in_the_gateway_raises_anything_but_our_errors(key: str, text: str) -> None:
    with suppress(ShipwayError):
        parsed(f"gateway: {{{key}: '{text}'}}")


@given(st.text())
def test_no_url_raises_anything_but_our_errors(url: str) -> None:
    for start in ("", "http://", "https://", "http://127.0.0.1:"):
        with suppress(ShipwayError):
            provider = parsed(f"providers: {{a: {{model: m, url: '{start}{url}'}}}}").providers["a"]
            assert provider.url.startswith(("https://", "http://127.0.0.1", "http://localhost"))


def test_who_reads_what_is_said_of_callers_and_of_evaluations() -> None:
    spec = parsed(
        "evals: {golden: {file: g.jsonl, groups: [staff, board]}, open: g.jsonl}\n"
        "gateway: {keys: {crew: {key: secret://env/A, groups: staff, tenant: house}, guest: secret://env/B}}\n"
    )
    assert [spec.evals[name].groups for name in ("golden", "open")] == [("board", "staff"), ()]
    crew, guest = (spec.gateway.keys[name] for name in ("crew", "guest"))
    assert ((crew.groups, crew.tenant), (guest.groups, guest.tenant)) == ((("staff",), "house"), ((), None))

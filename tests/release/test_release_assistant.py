"""Releases that answer a prompt: candidate, plan, gate, rollback, child and rebuild over real objects."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from assistant_help import GOLDEN, PRICES, REF, Assistant, flip
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.environment import default_cache
from shipway.gate import POLICY_REF, MoveRefused, load_policy, release_of
from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.digest import Digest, digest_bytes, short
from shipway.kernel.errors import ShipwayError
from shipway.llm import Provider
from shipway.pipeline import Silence
from shipway.release import (
    Component,
    Equality,
    Look,
    NothingToRelease,
    PolicyUnmeetable,
    RebuildRefused,
    ReleaseDamaged,
    ReleaseMalformed,
    attest_rebuild,
    check_intact,
    child_release,
    describe_change,
    find_component,
    gateway_settings,
    load_components,
    lock_release,
    make_release,
    monitors_of,
    outcomes_of,
    policy_change,
    provider_object,
    publish_policy,
    put_release,
    reach,
    rebuild_release,
    roll_back,
    workers_of,
)
from shipway.spec import REQUEST_MONITORS, parse_spec


@pytest.fixture
def project(tmp_path: Path) -> Assistant:
    return Assistant(tmp_path)


def named(project: Assistant, release: Digest) -> dict[tuple[str, str], Digest]:
    return {(part.kind, part.name): part.digest for part in load_components(project.store, release)}


# candidate


def test_a_release_is_the_prompt_its_provider_and_its_index(project: Assistant) -> None:
    project.fill()
    candidate = project.make()
    assert named(project, candidate.release) == {
        ("prompt", "answer"): project.store.resolve("prompt/answer"),
        ("index", "docs"): project.store.resolve("index/docs"),
        ("provider", "answer"): project.store.put(provider_object(project.spec.providers["answer"], None)),
    }
    assert (candidate.ref, candidate.notes) == ("release/assistant", ())
    assert project.make().release == candidate.release


def test_a_release_can_be_locked_to_be_evaluated_before_any_ref_names_it(project: Assistant) -> None:
    project.fill()
    release = lock_release(project.store, project.spec, project.deploy)
    assert project.store.ref("release/assistant") is None
    assert project.make().release == release


def test_a_price_of_ones_own_is_no_part_of_a_release(project: Assistant) -> None:
    project.fill()
    release = project.make().release
    project.edit("seed: 7", "seed: 7, price: {input: 1, output: 2}")
    assert project.make().release == release


def test_the_provider_is_locked_without_its_key_and_reads_back(project: Assistant) -> None:
    project.fill()
    digest = find_component(load_components(project.store, project.make().release), "provider").digest
    record = project.store.get(digest, "provider")
    assert record["parameters"] == {"temperature": 0, "seed": 7}
    assert "secret" not in project.store.objects.get(digest).decode()
    spec = project.spec.providers["answer"]
    assert Provider.from_object("answer", record, key=spec.key) == Provider(
        "answer", spec.model, spec.url, key=spec.key, parameters=spec.parameters
    )


def test_another_key_is_the_same_release_and_another_parameter_is_not(project: Assistant) -> None:
    project.fill()
    release = project.make().release
    project.edit("ANSWER_KEY", "NEW_KEY")
    assert project.make().release == release
    project.edit("seed: 7", "seed: 8")
    assert project.make().release != release


def test_the_weights_of_a_local_provider_are_asked_for_and_locked(project: Assistant) -> None:
    project.edit("provider: answer, index: docs", "provider: spare, index: docs")
    project.put("prompt/answer", project.prompt(provider="spare"))
    project.put("index/docs", project.index())
    weights = digest_bytes(b"weights")
    asked: list[str] = []

    def find(name: str) -> Digest:
        asked.append(name)
        return weights

    candidate = make_release(project.store, project.keys, project.actor, project.spec, project.deploy, weights=find)
    provider = find_component(candidate.components, "provider", "spare")
    assert (project.store.get(provider.digest)["weights"], asked) == (weights, ["smollm2"])
    open_weights = find_component(project.make().components, "provider", "spare")
    assert project.store.get(open_weights.digest)["weights"] is None


def test_providers_that_answer_in_its_place_are_locked_with_it(project: Assistant) -> None:
    project.fill()
    project.edit("  budget: 200", "  fallback: {answer: [spare]}\n  budget: 200")
    assert [part.name for part in project.make().components if part.kind == "provider"] == ["answer", "spare"]


def test_without_an_index_the_prompt_and_its_provider_are_a_release(project: Assistant) -> None:
    project.edit("index: docs, passages: 3", "index: off")
    project.put("prompt/answer", project.prompt(index=None))
    assert [part.kind for part in project.make().components] == ["prompt", "provider"]


@pytest.mark.parametrize(("missing", "mend"), [("prompt", "shipway prompt put answer"), ("index", "shipway rag sync docs")])
def test_what_is_not_there_yet_is_named_with_the_command_that_makes_it(project: Assistant, missing: str, mend: str) -> None:
    if missing == "index":
        project.put("prompt/answer", project.prompt())
    with pytest.raises(NothingToRelease, match=f"there is no {missing}") as problem:
        project.make()
    assert problem.value.mend == mend
    assert project.store.ref("release/assistant") is None


def test_of_several_prompts_uses_picks_one(project: Assistant) -> None:
    project.edit("prompts:\n", "prompts:\n  other: {file: o.md, provider: answer, index: docs}\n")
    project.fill()
    with pytest.raises(NothingToRelease, match="would hold other, answer") as problem:
        project.make()
    assert problem.value.mend == "uses: [prompt/other]"
    for use in ("answer", "prompt/answer"):
        project.edit("target: gateway", f"target: gateway, uses: [{use}]")
        assert find_component(project.make().components, "prompt").name == "answer"
        project.edit(f", uses: [{use}]", "")


def test_uses_that_names_another_index_than_the_prompts_is_refused(project: Assistant) -> None:
    project.edit("indexes:\n", "indexes:\n  more: more\n")
    project.edit("target: gateway", "target: gateway, uses: [answer, index/more]")
    project.fill()
    with pytest.raises(NothingToRelease, match="uses index/more, and prompt answer retrieves from docs"):
        project.make()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("provider: answer, index", "provider: spare, index", "the spec says provider spare and 3 passages of index docs"),
        ("passages: 3", "passages: 5", "put with provider answer and 3 passages of index docs"),
        ("index: docs, passages: 3", "index: off, passages: 3", "of index docs, and the spec says provider answer"),
    ],
)
def test_a_prompt_that_was_put_before_the_spec_changed_is_not_taken(project: Assistant, old: str, new: str, words: str) -> None:
    project.fill()
    project.edit(old, new)
    with pytest.raises(NothingToRelease) as problem:
        project.make()
    assert words in problem.value.what
    assert problem.value.mend == "shipway prompt put answer"


def test_a_project_with_prompts_and_no_models_needs_no_target_to_be_released(project: Assistant) -> None:
    project.fill()
    project.edit("target: gateway, ", "")
    assert find_component(project.make().components, "prompt").name == "answer"


# plan and policy


def test_the_deployment_says_how_its_gateway_is_set_up(project: Assistant) -> None:
    project.fill()
    project.make()
    deployment = project.store.get(project.plan().target, "deployment")
    assert (deployment["target"], deployment["follow"], workers_of(deployment)) == ("gateway", ["index/docs"], 1)
    assert deployment["gateway"] == {
        "budget": {"usd": 200, "window_seconds": 2_592_000},
        "rate_per_minute": None,
        "ledger_down": "refuse",
        "timeout_seconds": 60,
        "retries": 2,
        "fallback": {},
        "exact_cache": True,
        "semantic_errors": None,
        "keys": [
            {
                "name": "team",
                "key": "secret://env/TEAM_KEY",
                "budget": {"usd": 5, "window_seconds": 86_400},
                "rate_per_minute": 60,
            }
        ],
        "provider_keys": {"answer": "secret://env/ANSWER_KEY"},
        "sources": {
            "docs": {
                "source": "corpus",
                "include": ["**/*.txt"],
                "access": {"b/**": ["staff"]},
                "store": "local",
                "url": None,
                "embedder": "minilm",
            }
        },
        "prices": PRICES,
    }
    monitors = monitors_of(deployment)
    assert [
        (name, monitors[name].page, monitors[name].window) for name in sorted(monitors.keys() - REQUEST_MONITORS.keys())
    ] == [
        ("freshness", 0.0, 900.0),
        ("sentinel", 0.1, 3600.0),
    ]
    assert outcomes_of(deployment) == {}


def test_the_order_in_which_the_spec_lists_its_gateway_does_not_count(project: Assistant) -> None:
    project.edit("    team:", "    zoe: secret://env/ZOE\n    team:")
    one = project.store.put({"kind": "x", "version": 1, **gateway_settings(project.spec, None)})
    project.edit("    zoe: secret://env/ZOE\n", "")
    project.text = project.text.rstrip() + "\n    zoe: secret://env/ZOE\n"
    assert project.store.put({"kind": "x", "version": 1, **gateway_settings(project.spec, None)}) == one


def test_a_key_says_only_what_the_spec_says_of_it(project: Assistant) -> None:
    """So a deployment from before groups were known is the same deployment."""
    project.edit("    team:", "    zoe: {key: secret://env/ZOE, groups: [staff], tenant: house}\n    team:")
    keys: Any = gateway_settings(project.spec, None)["keys"]
    team, zoe = keys
    assert set(team) == {"name", "key", "budget", "rate_per_minute"}
    assert (zoe["name"], zoe["groups"], zoe["tenant"]) == ("zoe", ["staff"], "house")


def test_another_price_table_is_a_change_of_settings_and_of_no_component(project: Assistant) -> None:
    live = project.live
    (change,) = project.plan(live, prices=digest_bytes(b"new prices")).changes
    assert (change.kind, change.text.partition(" -> ")[2].partition(": ")[2]) == ("deployment", "price table is another")
    assert project.plan(live).changes == ()


def test_a_release_without_a_prompt_cannot_stand_behind_a_gateway(project: Assistant) -> None:
    model = put_release(project.store, [Component("model", "m", project.store.put({"kind": "model", "version": 1}))])
    with pytest.raises(ReleaseMalformed, match="holds no prompt"):
        project.plan(model)


def test_the_policy_is_published_with_the_digests_of_its_golden_sets(project: Assistant) -> None:
    change = policy_change(project.store, project.spec, golden=GOLDEN)
    assert change is not None
    assert change.golden == GOLDEN
    moved = publish_policy(project.store, project.keys, project.actor, project.spec, golden=GOLDEN)
    assert moved is not None
    assert load_policy(project.store, project.store.resolve(POLICY_REF)).golden == GOLDEN
    assert policy_change(project.store, project.spec, golden=GOLDEN) is None
    assert policy_change(project.store, project.spec, golden={"golden": digest_bytes(b"easier")}) is not None


@pytest.mark.parametrize("golden", [None, {}, {"other": digest_bytes(b"x")}])
def test_a_policy_that_asks_an_evaluation_without_its_golden_set_is_not_published(
    project: Assistant, golden: dict[str, Digest] | None
) -> None:
    with pytest.raises(PolicyUnmeetable, match="no golden set golden is at hand"):
        publish_policy(project.store, project.keys, project.actor, project.spec, golden=golden)
    assert project.store.ref(POLICY_REF) is None


# the gate


def test_a_release_that_was_not_evaluated_does_not_go_live(project: Assistant) -> None:
    project.fill()
    project.make()
    with pytest.raises(MoveRefused, match=r"evaluation golden\.contains at least 0\.3 at 95%: no evidence"):
        project.apply()


def test_an_evaluation_on_other_questions_does_not_open_the_gate(project: Assistant) -> None:
    project.fill()
    release = project.make().release
    project.evaluate(release, 0.9, definition=digest_bytes(b"easier"))
    with pytest.raises(MoveRefused, match="no evidence"):
        project.apply(release)
    project.evaluate(release, 0.9)
    assert project.apply(release).changed


def test_a_worse_prompt_is_refused_with_the_number_and_a_better_one_goes_live(project: Assistant) -> None:
    live = project.live
    project.put("prompt/answer", project.prompt("Say nothing of use."))
    worse = project.make().release
    project.evaluate(worse, 0.4)
    project.evaluate(worse, -0.2, against=live)
    with pytest.raises(MoveRefused) as problem:
        project.apply(worse)
    assert "golden.contains against live: -0.2 [-0.25, -0.15], threshold -0.1" in problem.value.what
    assert release_of(project.store, project.store.resolve(REF)) == live
    project.put("prompt/answer", project.prompt("Quote the passages."))
    better = project.make().release
    project.evaluate(better, 0.7)
    project.evaluate(better, 0.1, against=live)
    assert project.apply(better).changed


# rollback


def test_rollback_takes_prompt_index_and_provider_back_together_and_its_keys_are_there(project: Assistant) -> None:
    first = project.live
    project.edit("provider: answer, index", "provider: spare, index")
    project.put("prompt/answer", project.prompt("Other words.", provider="spare"))
    project.put("index/docs", project.index({"a.txt": "alpha two"}))
    second = project.make().release
    project.evaluate(second, 0.7)
    project.evaluate(second, 0.1, against=first)
    project.apply(second)
    moved = roll_back(project.store, project.keys, project.actor, REF)
    assert moved.judged.returning
    deployment = project.store.get(moved.target, "deployment")
    assert release_of(project.store, moved.target) == first
    settings_of = deployment["gateway"]
    assert isinstance(settings_of, dict)
    assert settings_of["provider_keys"] == {"answer": "secret://env/ANSWER_KEY"}


@pytest.mark.parametrize("leaf", ["members", "vectors"])
def test_neither_apply_nor_rollback_moves_to_an_index_that_is_damaged(project: Assistant, leaf: str) -> None:
    release = project.live
    check_intact(project.store, release)
    flip(project.leaf(project.store.resolve("index/docs"), leaf))
    with pytest.raises(ReleaseDamaged, match="the index docs of the release is damaged"):
        check_intact(project.store, release)
    with pytest.raises(ReleaseDamaged):
        project.apply(release)


@pytest.mark.parametrize("kind", ["prompt", "provider", "index"])
def test_a_component_that_is_damaged_itself_is_noticed(project: Assistant, kind: str) -> None:
    digest = find_component(load_components(project.store, project.live), kind).digest
    flip(project.store.objects.path(digest))
    with pytest.raises(ShipwayError) as problem:
        check_intact(project.store, project.live)
    assert problem.value.code in ("release.damaged", "store.object-damaged")


def test_an_index_that_lacks_its_vectors_is_not_put_live(project: Assistant) -> None:
    project.put("prompt/answer", project.prompt())
    record = project.store.get(project.index())
    project.put("index/docs", project.store.put({name: value for name, value in record.items() if name != "vectors"}))
    with pytest.raises(ReleaseDamaged, match="the index docs of the release lacks what is searched"):
        project.apply(project.make().release)


def test_a_document_of_the_corpus_is_not_read_before_a_move(project: Assistant) -> None:
    """It is needed to sync and to rebuild, and may be gigabytes."""
    release = project.live
    project.store.objects.path(digest_bytes(b"alpha")).unlink()
    check_intact(project.store, release)


# child releases


def test_a_child_differs_in_the_one_component_alone(project: Assistant) -> None:
    release, index = project.live, project.index({"a.txt": "alpha two"})
    child = child_release(project.store, release, "index", "docs", index)
    assert named(project, child) == {**named(project, release), ("index", "docs"): index}
    back = child_release(project.store, child, "index", "docs", named(project, release)["index", "docs"])
    assert back == release
    assert child_release(project.store, child, "index", "docs", index) == child
    assert project.store.ref("release/assistant") is not None
    assert project.store.resolve("release/assistant") == release, "no ref moves"


def test_the_children_of_two_components_meet_whichever_came_first(project: Assistant) -> None:
    release = project.live
    steps = [("index", "docs", project.index({"a.txt": "two"})), ("prompt", "answer", project.prompt("Other words."))]
    ends = set()
    for order in itertools.permutations(steps):
        found = release
        for kind, name, digest in order:
            found = child_release(project.store, found, kind, name, digest)
        ends.add(found)
    assert len(ends) == 1


def test_a_child_of_what_does_not_fit_is_refused(project: Assistant) -> None:
    release = project.live
    with pytest.raises(ReleaseMalformed, match="holds no index other"):
        child_release(project.store, release, "index", "other", project.index({"a.txt": "two"}))
    with pytest.raises(ReleaseMalformed, match="is a prompt, and stands in no place of a index"):
        child_release(project.store, release, "index", "docs", project.prompt())
    for prompt, lacking in ((project.prompt(provider="spare"), "provider spare"), (project.prompt(index="more"), "index more")):
        with pytest.raises(ReleaseMalformed, match=f"asks for {lacking}, which the release does not hold"):
            child_release(project.store, release, "prompt", "answer", prompt)


def test_a_child_goes_through_the_same_gate(project: Assistant) -> None:
    live = project.live
    child = child_release(project.store, live, "index", "docs", project.index({"a.txt": "alpha two"}))
    with pytest.raises(MoveRefused, match=f"against live {short(live)}: no evidence"):
        project.apply(child)
    project.evaluate(child, 0.6)
    project.evaluate(child, 0.0, against=live)
    assert project.apply(child).changed


# describe


def described(project: Assistant, kind: str, source: Digest, target: Digest) -> str:
    return describe_change(Look(project.store), kind, source, target).words


def test_a_change_of_a_prompt_is_told_in_its_lines(project: Assistant) -> None:
    before = project.prompt("Answer from the passages.\nBe short.")
    after = project.prompt("Answer from the passages.\nBe kind.\nBe honest.")
    told = describe_change(Look(project.store), "prompt", before, after)
    assert (told.words, told.lines) == ("+2 -1 lines", ("-Be short.", "+Be kind.", "+Be honest."))
    assert told.facts == {"added": 2, "removed": 1}
    hunks = describe_change(Look(project.store, lines=50), "prompt", before, after).lines
    assert hunks[:2] == ("--- a/prompt", "+++ b/prompt")
    assert {"-Be short.", "+Be kind.", " Answer from the passages."} <= set(hunks)


def test_no_more_than_six_changed_lines_are_shown_and_none_is_wide(project: Assistant) -> None:
    before, after = project.prompt("One."), project.prompt("\n".join(f"{number} " + "x" * 500 for number in range(20)))
    told = describe_change(Look(project.store), "prompt", before, after)
    assert (told.words, len(told.lines), told.lines[-1]) == ("+20 -1 lines", 7, "and 15 lines more")
    assert max(map(len, told.lines)) <= 100


def test_a_prompt_that_asks_another_provider_or_retrieves_otherwise_says_so(project: Assistant) -> None:
    one = project.prompt()
    assert described(project, "prompt", one, project.prompt(provider="spare")) == "provider answer -> spare"
    assert (
        described(project, "prompt", one, project.prompt(passages=5))
        == "retrieves 5 passages of docs instead of 3 passages of docs"
    )
    assert described(project, "prompt", one, project.prompt(index=None)) == "retrieves nothing instead of 3 passages of docs"


def test_a_change_of_an_index_is_told_in_documents_and_chunks(project: Assistant) -> None:
    before = project.index({"a.txt": "alpha", "b/c.txt": "gamma", "b/d.txt": "delta"})
    after = project.index({"a.txt": "alpha", "b/c.txt": "gamma two", "e.txt": "e", "f.txt": "f"})
    assert described(project, "index", before, after) == "2 documents added, 1 removed, 1 changed, 3 -> 4 chunks"
    other = project.index(embedder="remote")
    assert (
        described(project, "index", before, other) == "0 documents added, 0 removed, 0 changed, 3 -> 3 chunks, another embedder"
    )


def test_a_change_of_a_provider_is_told_in_its_parameters(project: Assistant) -> None:
    def provider(words: str) -> Digest:
        spec = parse_spec(f"project: p\nproviders: {{a: {{{words}}}}}", path="shipway.yaml")
        return project.store.put(provider_object(spec.providers["a"], None))

    before = provider("model: small, temperature: 0, seed: 7, stop: end")
    after = provider("model: large, url: 'https://example.org/v1', temperature: 0.5, seed: 7, max_tokens: 10")
    assert described(project, "provider", before, after) == (
        "model small -> large, url https://api.openai.com/v1 -> https://example.org/v1, temperature 0 -> 0.5, "
        "+max_tokens 10, -stop"
    )


def test_a_plan_against_live_tells_what_differs(project: Assistant) -> None:
    live = project.live
    child = child_release(project.store, live, "prompt", "answer", project.prompt("Quote the passages."))
    (change,) = project.plan(child).changes
    assert (change.kind, change.name) == ("prompt", "answer")
    assert change.text.endswith(": +1 -1 lines")
    assert change.lines == ("-Answer from the passages.", "+Quote the passages.")


# manifest


def test_a_registry_that_keeps_the_manifests_keeps_the_index_whole(project: Assistant) -> None:
    index = find_component(load_components(project.store, project.live), "index").digest
    reached = {leaf.digest for leaf in reach(project.store, index)}
    assert {digest_bytes(text) for text in (b"alpha", b"gamma", b"delta")} < reached
    record: JsonObject = project.store.get(index)
    for name in ("corpus", "members", "vectors"):
        leaf = record[name]
        assert isinstance(leaf, dict)
        assert leaf["digest"] in reached


# rebuild


def rebuild(project: Assistant, folder: Path) -> tuple[Equality, str | None, Digest | None]:
    rebuilt = rebuild_release(project.store, project.live, folder, cache=default_cache(), report=Silence())
    envelope = attest_rebuild(project.store, project.signer, rebuilt)
    assert project.store.evidence(project.live)[-1].envelope == envelope
    return rebuilt.equality, rebuilt.different, rebuilt.model


def test_a_rebuild_restores_prompt_and_documents_and_says_that_the_provider_is_not_rebuildable(
    project: Assistant, tmp_path: Path
) -> None:
    equality, different, model = rebuild(project, tmp_path / "again")
    assert (equality, model) == (Equality.LOCKED, None)
    assert different == "provider answer (model smollm2) is not rebuildable; shipway eval asks it the golden set again"
    assert (tmp_path / "again" / "index" / "docs" / "b" / "c.txt").read_text() == "gamma"
    assert (tmp_path / "again" / "prompt" / "answer.md").read_text() == (
        "# system\nAnswer from the passages.\n# user\n{{passages}}\n\n{{question}}\n"
    )


@pytest.mark.parametrize("what", ["document", "vectors", "prompt"])
def test_a_rebuild_of_damaged_bytes_is_refused(project: Assistant, tmp_path: Path, what: str) -> None:
    release = project.live
    parts = {part.kind: part.digest for part in load_components(project.store, release)}
    flip(
        {
            "document": project.store.objects.path(digest_bytes(b"delta")),
            "vectors": project.leaf(parts["index"], "vectors"),
            "prompt": project.store.objects.path(parts["prompt"]),
        }[what]
    )
    with pytest.raises(RebuildRefused, match="is damaged"):
        rebuild(project, tmp_path / "again")
    assert not (tmp_path / "again").exists()


# anything at all


@settings(deadline=None, max_examples=100)
@given(
    st.sampled_from(["prompt", "index", "provider", "release"]),
    st.sampled_from(["prompt", "index", "provider"]),
    st.text(max_size=4),
)
def test_an_object_in_the_wrong_place_is_one_of_our_errors(
    tmp_path_factory: pytest.TempPathFactory, found: str, kind: str, name: str
) -> None:
    project = _shared(tmp_path_factory)
    digests = {part.kind: part.digest for part in load_components(project.store, project.live)} | {"release": project.live}
    if (found, name) == (kind, {"index": "docs"}.get(kind, "answer")):
        return
    with pytest.raises(ShipwayError):
        child_release(project.store, project.live, kind, name, digests[found])


_PROJECTS: list[Assistant] = []


def _shared(factory: pytest.TempPathFactory) -> Assistant:
    """One project for all examples: none of them changes it."""
    if not _PROJECTS:
        _PROJECTS.append(Assistant(factory.mktemp("shared")))
    return _PROJECTS[0]


odd = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["index", "passages"]), inner, max_size=2),
    max_leaves=4,
)


@settings(deadline=None, max_examples=100)
@given(st.fixed_dictionaries({}, optional={"provider": odd | st.just("answer"), "retrieve": odd, "messages": odd}))
def test_a_prompt_that_is_written_by_nobody_of_ours_is_refused(
    tmp_path_factory: pytest.TempPathFactory, parts: dict[str, Json]
) -> None:
    project = _shared(tmp_path_factory)
    prompt = project.store.put({"kind": "prompt", "version": 1, **parts})
    try:
        child = child_release(project.store, project.live, "prompt", "answer", prompt)
    except ReleaseMalformed:
        return
    assert (parts["provider"], parts["retrieve"]) == ("answer", None), "all that the others would be is missing"
    assert named(project, child)["prompt", "answer"] == prompt


def test_a_ref_at_a_prompt_that_is_none_gives_no_release(project: Assistant) -> None:
    project.put("prompt/answer", project.store.put({"kind": "prompt", "version": 1}))
    with pytest.raises(ReleaseMalformed, match="is no prompt that a release can hold"):
        project.make()

"""Lineage: complete from the objects and the runs, each thing once, bounded, and the same however often it is noted."""

from __future__ import annotations

from itertools import count, pairwise
from pathlib import Path

import pytest
from assistant_help import Assistant
from hypothesis import given, settings
from hypothesis import strategies as st
from release_help import REF, Project, apply, approve

from shipway.gate import attest
from shipway.kernel import media
from shipway.kernel.digest import Digest, digest_bytes
from shipway.release import Lineage, lineage_edges, note_lineage, trace_lineage
from shipway.release._sources import sources_of, thing_at
from shipway.store import Edge, Store, open_store

pytest_plugins = ["cli_fixtures"]


def objects(tree: Lineage) -> dict[Digest, Lineage]:
    """Every object of a tree, where it is shown with its own."""
    found = {} if tree.again else {tree.digest: tree}
    for child in tree.next:
        found |= objects(child)
    return found


def put_live(project: Project) -> Store:
    """Approved and applied."""
    approve(project, project.store.resolve("release/line"))
    apply(project)
    return project.store


def test_a_deployment_comes_from_data_code_and_environment(project: Project) -> None:
    store = put_live(project)
    found = objects(trace_lineage(store, store.resolve(REF), depth=10))
    kinds = {node.kind for node in found.values()}
    assert {"deployment", "release", "model", "profile", "pipeline", "snapshot", "code", "environment", "tree"} <= kinds
    assert found[store.resolve("data/points")].names == ("data/points",)


def test_data_were_used_by_steps_pipeline_model_release_and_deployment(project: Project) -> None:
    store = put_live(project)
    note_lineage(store)
    found = objects(trace_lineage(store, store.resolve("data/points"), down=True, depth=10))
    assert {store.resolve(name) for name in ("model/above", "release/line", REF)} <= found.keys()
    assert {node.kind for node in found.values()} >= {"pipeline", "profile", "bytes"}


def test_lineage_is_noted_once_and_taken_up_where_it_was_left(project: Project) -> None:
    store = project.store
    assert note_lineage(store) > 0
    assert note_lineage(store) == 0
    store.delete_state("lineage", "moves")  # as after a store was restored without it
    before = store.edges_from(store.resolve("data/points"))
    assert note_lineage(store) > 0
    assert store.edges_from(store.resolve("data/points")) == before
    put_live(project)
    assert note_lineage(store) == 2, "the policy and the deployment"


def test_an_application_that_answers_comes_from_prompt_index_and_provider(tmp_path: Path) -> None:
    project = Assistant(tmp_path)
    release = project.live
    found = objects(trace_lineage(project.store, release, depth=4))
    assert {node.kind for node in found.values()} >= {"release", "prompt", "index", "provider", "tree", "bytes"}
    note_lineage(project.store)
    used = objects(trace_lineage(project.store, project.store.resolve("index/docs"), down=True))
    assert {node.kind for node in used.values()} >= {"index", "release", "deployment"}


def test_evidence_says_what_it_is_about_and_what_it_was_held_against(tmp_path: Path) -> None:
    project = Assistant(tmp_path)
    about, against, golden = (digest_bytes(text) for text in (b"about", b"against", b"golden"))
    envelope = attest(
        project.store,
        project.signer,
        subject=about,
        name="x",
        predicate_type=media.CHECK_PREDICATE,
        predicate={"against": against, "definition": golden},
        label="x",
    )
    record = thing_at(project.store, envelope).record
    assert record is not None
    assert set(sources_of(envelope, record)) == {
        Edge(about, envelope, "subject"),
        Edge(against, envelope, "predicate.against"),
        Edge(golden, envelope, "predicate.definition"),
    }


def test_a_wide_step_is_bounded_and_the_rest_counted(tmp_path: Path) -> None:
    store = open_store(tmp_path, "wide", create=True)
    data = store.put({"kind": "snapshot", "version": 1})
    store.add_edges([Edge(data, digest_bytes(b"%d" % number), "input") for number in range(5_000)])
    tree = trace_lineage(store, data, down=True, most=20)
    assert (len(tree.next), tree.beyond) == (20, 4_980)


def test_the_last_step_counts_what_lies_beyond(tmp_path: Path) -> None:
    store = open_store(tmp_path, "deep", create=True)
    chain = [digest_bytes(b"%d" % number) for number in range(6)]
    store.add_edges([Edge(a, b, "input") for a, b in pairwise(chain)])
    tree = trace_lineage(store, chain[-1], depth=2)
    assert tree.next[0].next[0].digest == chain[3]
    assert tree.next[0].next[0].beyond == 1


def test_a_leaf_is_not_read_to_find_out_what_it_is(tmp_path: Path) -> None:
    store = open_store(tmp_path, "leaf", create=True)
    large = store.put_bytes(b"{" + b" " * (5 << 20))
    assert thing_at(store, large.digest).kind == "bytes"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return open_store(tmp_path_factory.mktemp("graph"), "graph", create=True)


NODES, GRAPHS = st.integers(0, 7), count()


@settings(max_examples=60, deadline=None)
@given(pairs=st.lists(st.tuples(NODES, NODES), max_size=20), down=st.booleans())
def test_any_graph_even_a_circle_is_shown_once_and_whole(shared: Store, pairs: list[tuple[int, int]], down: bool) -> None:
    """Steps that turn A into B and B into A make a circle: the walk ends, and every edge that can be reached is there."""
    graph = next(GRAPHS)
    names = [digest_bytes(b"%d %d" % (graph, number)) for number in range(8)]
    edges = {Edge(names[a], names[b], "input") for a, b in pairs if a != b}
    shared.add_edges(list(edges))
    tree = trace_lineage(shared, names[0], down=down, depth=50)
    reached, waiting = set[Edge](), [names[0]]
    while waiting:
        here = waiting.pop()
        fresh = {edge for edge in edges if (edge.source if down else edge.target) == here} - reached
        reached |= fresh
        waiting += [edge.target if down else edge.source for edge in fresh]
    shown = lineage_edges(tree, down=down)
    assert set(shown) == reached
    assert len(shown) == len(reached)

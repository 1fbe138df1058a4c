from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from llm_upstream import Upstream, upstream
from numpy.typing import NDArray
from scipy.special import erf

from shipway.kernel.canonical import canonical_json
from shipway.kernel.digest import digest_bytes
from shipway.llm import (
    ANTHROPIC,
    Embedder,
    EmbedderChanged,
    EmbedderDown,
    EmbedderMissing,
    MiniLm,
    Provider,
    SecretMissing,
    open_minilm,
    open_remote_embedder,
    weights_digest,
)
from shipway.llm._minilm import _installed
from shipway.llm._minilm_graph import read_safetensors

TEXTS = (
    "How do I reset my password?",
    "I forgot my password, how can I change it?",
    "The weather in Paris is nice today.",
    "QuerySet.bulk_create(objs, batch_size=None) inserts the list of objects in an efficient manner. " * 4,
    "x",
    "",
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def minilm(cache: Path) -> MiniLm:
    return open_minilm(cache)


_FOLDER = _installed()
WEIGHTS = {
    name: value.astype(np.float64) for name, value in read_safetensors((_FOLDER / "model.safetensors").read_bytes()).items()
}


def plain_forward(ids: list[int]) -> NDArray[np.float64]:
    """The oracle: BERT's forward pass in float64 numpy, written from the paper; shares no code with the graph."""
    w = WEIGHTS

    def norm(x: NDArray[np.float64], name: str) -> NDArray[np.float64]:
        spread = np.sqrt(x.var(axis=-1, keepdims=True) + 1e-12)
        out: NDArray[np.float64] = (x - x.mean(axis=-1, keepdims=True)) / spread * w[f"{name}.weight"] + w[f"{name}.bias"]
        return out

    def dense(x: NDArray[np.float64], name: str) -> NDArray[np.float64]:
        out: NDArray[np.float64] = x @ w[f"{name}.weight"].T + w[f"{name}.bias"]
        return out

    def gelu(x: NDArray[np.float64]) -> NDArray[np.float64]:
        out: NDArray[np.float64] = 0.5 * x * (1 + erf(x / np.sqrt(2)))
        return out

    x = w["embeddings.word_embeddings.weight"][ids] + w["embeddings.position_embeddings.weight"][: len(ids)]
    x = norm(x + w["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
    for layer in range(6):
        at = f"encoder.layer.{layer}"
        query, key, value = (dense(x, f"{at}.attention.self.{part}") for part in ("query", "key", "value"))
        heads = []
        for head in range(12):
            place = slice(head * 32, head * 32 + 32)
            scores = query[:, place] @ key[:, place].T / np.sqrt(32)
            shares = np.exp(scores - scores.max(axis=1, keepdims=True))
            heads.append(shares / shares.sum(axis=1, keepdims=True) @ value[:, place])
        x = norm(x + dense(np.hstack(heads), f"{at}.attention.output.dense"), f"{at}.attention.output.LayerNorm")
        x = norm(x + dense(gelu(dense(x, f"{at}.intermediate.dense")), f"{at}.output.dense"), f"{at}.output.LayerNorm")
    mean = x.mean(axis=0)
    unit: NDArray[np.float64] = mean / np.linalg.norm(mean)
    return unit


def test_vectors_are_those_of_a_plain_forward_pass(minilm: MiniLm) -> None:
    vectors = minilm.embed(TEXTS)
    for text, vector in zip(TEXTS, vectors, strict=True):
        expected = plain_forward(minilm._tokenizer.encode(text).ids)
        assert float(vector @ expected) > 1 - 1e-6
        assert np.abs(vector - expected).max() < 1e-5


def test_padding_under_the_mask_changes_a_vector_by_rounding_only(minilm: MiniLm) -> None:
    """Nothing of ours pads, but the graph says what its mask means."""
    ids = minilm._tokenizer.encode(TEXTS[0]).ids
    padded, mask = np.zeros((1, 40), dtype=np.int64), np.zeros((1, 40), dtype=np.int64)
    padded[0, : len(ids)], mask[0, : len(ids)] = ids, 1
    padded[0, len(ids) :] = 1037
    (vectors,) = minilm._session.run(["vectors"], {"ids": padded, "mask": mask})
    assert np.abs(vectors[0] - minilm.embed(TEXTS[:1])[0]).max() < 1e-5


def test_a_paraphrase_is_nearer_than_another_subject(minilm: MiniLm) -> None:
    one, same, other = minilm.embed(TEXTS[:3])
    assert float(one @ same) > 0.8
    assert float(one @ other) < 0.2


def test_rows_have_length_one_and_the_declared_form(minilm: MiniLm) -> None:
    vectors = minilm.embed(TEXTS)
    assert vectors.shape == (len(TEXTS), minilm.dimension)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert minilm.embed([]).shape == (0, 384)


def test_a_vector_is_the_same_to_the_bit_whatever_its_company_and_the_threads(minilm: MiniLm, cache: Path) -> None:
    texts = [" ".join(TEXTS[3].split()[:number]) for number in range(1, 46, 4)]
    alone = np.concatenate([minilm.embed([text]) for text in texts])
    assert np.array_equal(minilm.embed(texts), alone)
    assert np.array_equal(minilm.embed(texts[::-1])[::-1], alone)
    assert np.array_equal(open_minilm(cache, threads=2).embed(texts), alone)


def test_a_text_is_cut_after_256_tokens(minilm: MiniLm) -> None:
    shorter, full, longer = (minilm.embed(["word " * number]) for number in (253, 254, 2000))  # and the two marks
    assert np.array_equal(full, longer)
    assert not np.array_equal(shorter, full)


def test_the_record_names_the_weights_and_its_digest_is_stable(minilm: MiniLm, cache: Path) -> None:
    embedder: Embedder = minilm
    assert minilm.record["weights"] == weights_digest(_installed() / "model.safetensors")
    assert (minilm.record["kind"], minilm.record["version"], minilm.record["dimension"]) == ("embedder", 1, 384)
    assert embedder.digest == digest_bytes(canonical_json(minilm.record)) == open_minilm(cache).digest


def test_the_graph_is_made_once_and_is_whole(minilm: MiniLm, cache: Path) -> None:
    (made,) = cache.rglob("*.onnx")
    before = made.stat().st_mtime_ns
    open_minilm(cache)
    assert made.stat().st_mtime_ns == before
    assert made.parent == cache / "embedders" / str(minilm.record["weights"]).removeprefix("sha256:")
    assert list(cache.rglob("*.part")) == []


def test_two_processes_make_the_graph_once(tmp_path: Path) -> None:
    code = "import sys, pathlib; from shipway.llm import open_minilm; print(open_minilm(pathlib.Path(sys.argv[1])).digest)"
    command = [sys.executable, "-c", code, str(tmp_path)]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert len({child.communicate(timeout=60)[0] for child in children}) == 1
    assert [child.returncode for child in children] == [0, 0]
    assert len(list(tmp_path.rglob("*.onnx"))) == 1
    assert list(tmp_path.rglob("*.part")) == []


def test_a_broken_graph_names_the_file_to_remove(minilm: MiniLm, tmp_path: Path) -> None:
    folder = tmp_path / "embedders" / str(minilm.record["weights"]).removeprefix("sha256:")
    folder.mkdir(parents=True)
    (folder / "graph-1.onnx").write_bytes(b"broken")
    with pytest.raises(EmbedderDown) as caught:
        open_minilm(tmp_path)
    assert str(folder / "graph-1.onnx") in str(caught.value.mend)


def test_weights_that_are_not_there_are_missing_and_broken_ones_are_down(tmp_path: Path) -> None:
    with pytest.raises(EmbedderMissing):
        open_minilm(tmp_path, weights=tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"\xff" * 100)
    with pytest.raises(EmbedderDown, match="safetensors"):
        open_minilm(tmp_path, weights=tmp_path)


def test_a_text_that_cannot_be_encoded_is_an_error_of_the_embedder(minilm: MiniLm) -> None:
    with pytest.raises(EmbedderDown):
        minilm.embed(["\ud800"])


@pytest.fixture
def server() -> Iterator[Upstream]:
    with upstream() as running:
        yield running


def remote(server: Upstream, model: str = "embed") -> Provider:
    return Provider("vectors", model, server.url, key="secret://env/KEY")


ENVIRON = {"KEY": "sk-1"}


def test_a_remote_embedder_gives_rows_of_length_one_in_the_order_of_the_texts(server: Upstream) -> None:
    embedder = open_remote_embedder(remote(server), environ=ENVIRON)
    vectors = embedder.embed([f"text {number}" for number in range(130)])
    assert vectors.shape == (130, embedder.dimension) == (130, 3)
    assert vectors.dtype == np.float32
    assert np.allclose(vectors, [[0.6, 0.0, 0.8]])
    sizes = [len(list(body["input"])) for _, _, body in server.seen]  # type: ignore[call-overload]
    assert sizes == [1, 64, 64, 2]
    path, headers, body = server.seen[-1]
    assert (path, headers["authorization"], body["encoding_format"]) == ("/v1/embeddings", "Bearer sk-1", "float")
    assert embedder.embed([]).shape == (0, 3)


def test_its_record_opens_it_again_without_asking(server: Upstream) -> None:
    first = open_remote_embedder(remote(server), environ=ENVIRON)
    record = json.loads(canonical_json(first.record))
    assert (record["answers_as"], record["dimension"], record["provider"]["model"]) == ("embed-1", 3, "embed")
    asked = len(server.seen)
    again = open_remote_embedder(remote(server), environ={}, record=record)
    assert (again.digest, len(server.seen)) == (first.digest, asked)
    with pytest.raises(SecretMissing):
        again.embed(["x"])
    with pytest.raises(EmbedderChanged):
        open_remote_embedder(remote(server, "good"), environ=ENVIRON, record=record)


def test_another_dimension_or_model_than_the_index_has_is_an_error(server: Upstream) -> None:
    embedder = open_remote_embedder(remote(server), environ=ENVIRON)
    server.embedding = [1.0, 2.0]
    with pytest.raises(EmbedderChanged, match="2"):
        embedder.embed(["x"])
    server.embedding, server.embeds_as = [3.0, 0.0, 4.0], "embed-2"
    with pytest.raises(EmbedderChanged, match="embed-2"):
        embedder.embed(["x"])


def test_a_vector_without_a_direction_is_an_error(server: Upstream) -> None:
    embedder = open_remote_embedder(remote(server), environ=ENVIRON)
    server.embedding = [0.0, 0.0, 0.0]
    with pytest.raises(EmbedderDown, match="direction"):
        embedder.embed(["x"])


@pytest.mark.parametrize(
    ("model", "retry"), [("busy", True), ("broken", True), ("wrong", False), ("redirect", False), ("garbage", True)]
)
def test_a_remote_embedder_that_does_not_answer_is_down(server: Upstream, model: str, retry: bool) -> None:
    with pytest.raises(EmbedderDown) as caught:
        open_remote_embedder(remote(server, model), environ=ENVIRON)
    assert caught.value.retry is retry
    assert not any(path.startswith("/elsewhere") for path, _, _ in server.seen)


def test_a_remote_embedder_waits_no_longer_than_it_is_told(server: Upstream) -> None:
    with pytest.raises(EmbedderDown, match="timed out"):
        open_remote_embedder(remote(server, "hang"), environ=ENVIRON, timeout=0.2)


def test_nobody_at_the_address_is_a_remote_embedder_that_is_down() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(EmbedderDown, match="cannot be reached"):
            open_remote_embedder(Provider("v", "m", f"http://127.0.0.1:{taken.getsockname()[1]}/v1"))


def test_anthropic_has_no_embeddings() -> None:
    with pytest.raises(EmbedderDown, match="no embeddings"):
        open_remote_embedder(Provider("v", "m", shape=ANTHROPIC))

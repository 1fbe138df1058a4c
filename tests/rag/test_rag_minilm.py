from __future__ import annotations

from pathlib import Path

import pytest
from rag_help import PAGES, Project

from shipway.llm import EmbedderMissing, open_minilm
from shipway.rag import open_index, sync_index


def test_with_the_real_model_a_question_in_other_words_finds_its_passage(tmp_path: Path) -> None:
    for package in ("onnx", "onnxruntime", "tokenizers"):
        pytest.importorskip(package)
    project = Project(tmp_path, PAGES)
    try:
        embedder = open_minilm(tmp_path / "cache")
    except EmbedderMissing as problem:
        pytest.skip(str(problem))
    for expected in (5, 0):
        synced = sync_index(project.store, project.keys, project.actor, project.spec(), root=project.root, embedder=embedder)
        assert synced.embedded == expected
    index = open_index(project.store, synced.index, embedder=embedder)
    for question, heading in (
        ("How much money do experienced developers earn?", "Salaries > Bands"),
        ("persist a record in the database", "Queries > Saving"),
    ):
        passage = index.search(question, 1).passages[0]
        assert (passage.member.heading, passage.dense_rank) == (heading, 1)
    index.close()
    project.close()

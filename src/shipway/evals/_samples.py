"""Kept samples: all answers of an evaluation as one leaf of the store, which its evidence names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from shipway.evals._answer import Answer
from shipway.evals._golden import GoldenRow
from shipway.evals._run import Evaluation
from shipway.evals._sample_log import SamplesDamaged
from shipway.kernel.canonical import JsonObject, NotCanonical, canonical_json, parse_object
from shipway.kernel.digest import Descriptor, parse_digest
from shipway.store import Store

SAMPLES = "application/vnd.shipway.samples.v1+jsonl"


def put_samples(store: Store, evaluation: Evaluation) -> Descriptor:
    """Keeps every answer, failed ones too: a head line, then one line a sample by row id and number; equal evaluations,
    equal bytes.
    """
    questions = {row.id: row.question for row in evaluation.rows}
    head: JsonObject = {"kind": "samples", "version": 1, "asked": evaluation.asked, "samples": evaluation.samples}
    lines: list[JsonObject] = [head]
    for (name, sample), answer in sorted(evaluation.answers.items()):
        lines.append({"id": name, "question": questions[name], "sample": sample, "answer": answer.to_json()})
    return store.put_bytes(b"".join(canonical_json(line) + b"\n" for line in lines), SAMPLES)


def load_samples(store: Store, leaf: Descriptor, rows: Sequence[GoldenRow]) -> Evaluation:
    """The evaluation of the rows whose question the samples answer; rows may have other targets by now.

    Raises ObjectMissing, ObjectDamaged, SamplesDamaged.
    """
    asked = {row.id: row for row in rows}
    try:
        head, *lines = [parse_object(line) for line in store.objects.get(leaf.digest).splitlines()]
        if (head["kind"], head["version"]) != ("samples", 1):
            raise ValueError(f"kind {head['kind']}, version {head['version']}")
        answers = {
            (str(line["id"]), int(cast("int", line["sample"]))): Answer.from_json(cast("JsonObject", line["answer"]))
            for line in lines
            if line["id"] in asked and line["question"] == asked[str(line["id"])].question
        }
        samples, digest = int(cast("int", head["samples"])), parse_digest(str(head["asked"]))
    except (NotCanonical, KeyError, TypeError, ValueError) as problem:
        what = f"the kept samples cannot be read: {problem}"
        raise SamplesDamaged(what, where=leaf.digest, mend="run the evaluation again") from problem
    answered = {name for name, _ in answers}
    return Evaluation(digest, tuple(row for row in rows if row.id in answered), samples, answers)

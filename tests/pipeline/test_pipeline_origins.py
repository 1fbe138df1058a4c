"""Models come after those that they were made from; what the spec names becomes a digest."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipway.kernel.digest import digest_bytes
from shipway.pipeline._model_rows import ModelRefused
from shipway.pipeline._origins import bases_first, find_origins
from shipway.spec import Spec, parse_spec
from shipway.store import ObjectMissing, RefMissing, open_store


def spec(models: str) -> Spec:
    return parse_spec(f"project: p\npipeline: s.py\nmodels:\n{models}", path="shipway.yaml")


def test_a_model_is_made_after_all_that_it_comes_from() -> None:
    found = spec(
        "  c: {target: y, base: model/b, adapters: [model/d]}\n  b: {target: y, base: model/a}\n  a: {target: y}\n"
        "  d: {target: y, base: model/gone}\n"
    )
    order = [model.name for model in bases_first(found.models, where=None)]
    assert sorted(order) == ["a", "b", "c", "d"]
    assert order.index("a") < order.index("b") < order.index("c") > order.index("d")


def test_models_that_come_from_one_another_are_refused() -> None:
    found = spec("  a: {target: y, base: model/b}\n  b: {target: y, adapters: [model/a]}\n")
    with pytest.raises(ModelRefused, match="a, b come from one another"):
        bases_first(found.models, where=str(found.path))


def test_an_origin_becomes_what_it_is_now_and_one_that_is_not_there_is_named(tmp_path: Path) -> None:
    store = open_store(tmp_path, "p", create=True)
    made, kept = digest_bytes(b"made"), store.put({"kind": "thing", "version": 1})
    found = spec(f'  t: {{target: y, base: model/a, adapters: ["{kept}", {{name: x, revision: r}}]}}\n').models["t"]
    origins = find_origins(store, found, {"model/a": made})
    assert origins.base == {"name": "model/a", "digest": made}
    assert origins.adapters == ({"name": kept[:19], "digest": kept}, {"name": "x", "revision": "r"})
    with pytest.raises(RefMissing, match="model/a"):
        find_origins(store, found, {})
    store.objects.path(kept).unlink()
    with pytest.raises(ObjectMissing):
        find_origins(store, found, {"model/a": made})

"""From serving.json to a predictor that has proved itself: intact files, a model that repeats its golden rows, a measured cost."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path

from shipway.kernel.canonical import JsonObject, parse_object
from shipway.kernel.clock import Clock, Ids, RandomIds
from shipway.kernel.digest import Descriptor, digest_bytes, short
from shipway.kernel.errors import ShipwayError
from shipway.models import ModelDamaged, check_golden, decode_columns, load_model
from shipway.serve._batch import Cost
from shipway.serve._config import ServingConfig
from shipway.serve._predictor import Predictor
from shipway.serve._request import Arrays, Identity
from shipway.store._segments import SegmentWriter


class ModelMissing(ShipwayError):
    """A file that serving.json names cannot be read."""

    code = "serve.model-missing"


def open_log(config: ServingConfig, *, ids: Ids | None = None) -> SegmentWriter:
    """The prediction log of one process; its writer's name is never used again, so that a gap is recorded once."""
    name = f"{short(config.deployment)}-{(ids or RandomIds()).new()}"
    return SegmentWriter(Path(config.log_directory), name)

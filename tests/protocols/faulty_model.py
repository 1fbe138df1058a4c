"""`python faulty_model.py OPTIONS`: a predictor process whose model does what the first `fault` of a request says.

1: sleeps; 2: another type; 3: two dimensions; 4: sys.exit(); 5: raises; 6: keeps 40 MiB; 7: in C, without end; 8: sleeps where
it is an arm.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Mapping

import numpy as np

from shipway.models import Array, Column, Signature
from shipway.protocols import _server, _split
from shipway.protocols.predictor import main
from shipway.serve import Cost, ReadyModel, ServingConfig

KEPT: list[bytes] = []


class Faulty:
    signature = Signature((Column("fault", "FP64"),), (Column("probability", "FP64"),))

    def __init__(self, arm: str) -> None:
        self.arm = arm

    def predict(self, columns: Mapping[str, Array]) -> dict[str, Array]:
        answer = np.zeros(len(columns["fault"]))
        fault = int(columns["fault"][0])
        if fault == 1 or (fault == 8 and self.arm != "live"):
            time.sleep(60)
        if fault == 2:
            return {"probability": answer.astype("float32")}
        if fault == 3:
            return {"probability": answer.reshape(-1, 1)}
        if fault == 4:
            sys.exit(3)
        if fault == 5:
            raise ValueError("no")
        if fault == 6:
            KEPT.append(np.ones(40 << 20, dtype=np.uint8).tobytes())
        if fault == 7:
            re.match(r"(a*)*b", "a" * 64)  # holds the interpreter's lock for years
        return {"probability": answer}


def open_faulty(config: ServingConfig) -> ReadyModel:
    rows = {"fault": np.zeros(1)}
    return ReadyModel(
        Faulty(config.arm), Cost(1.0 if config.environment == "slow" else 0.0, 0.0), (rows, {"probability": np.zeros(1)})
    )


for module in (_server, _split):
    vars(module)["open_model"] = open_faulty
sys.exit(main(sys.argv[1:]))

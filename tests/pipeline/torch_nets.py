"""Run by the Python that has torch, under the overlay: networks of many kinds, answered by us and by torch, bit by bit.

Prints a JSON object: name of the network -> "equal", or what went wrong.
"""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import torch  # type: ignore[import-not-found]
from torch import nn

from shipway.models import Column, pack_program
from shipway.models._load import load_bytes

INPUTS = tuple(Column(f"x{place}", "FP64") for place in range(6))


class Answering(nn.Module):  # type: ignore[misc]
    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, rows: Any) -> dict[str, Any]:
        return {"probability": torch.sigmoid(self.body(rows))[:, 0]}


class Recurrent(nn.Module):  # type: ignore[misc]
    def __init__(self, kind: Any) -> None:
        super().__init__()
        self.cells, self.out = kind(1, 4, 2, batch_first=True, bidirectional=True), nn.Linear(8, 1)

    def forward(self, rows: Any) -> Any:
        return self.out(self.cells(rows[:, :, None])[0][:, -1])


class Attending(nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.wide, self.layer, self.out = (
            nn.Linear(1, 4),
            nn.TransformerEncoderLayer(4, 2, 8, batch_first=True),
            nn.Linear(4, 1),
        )

    def forward(self, rows: Any) -> Any:
        return self.out(self.layer(self.wide(rows[:, :, None]))).mean(1)


class Embedding(nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.words, self.out = nn.Embedding(7, 3), nn.Linear(3, 1)

    def forward(self, rows: Any) -> Any:
        return self.out(self.words(rows.abs().long().clamp(0, 6)).sum(1))


class Choosing(nn.Module):  # type: ignore[misc]
    def forward(self, rows: Any) -> Any:
        left, right = torch.split(rows, 3, dim=1)
        both = torch.cat([left, right.flip(1)], 1)
        best = both.max(dim=1)[0] + torch.topk(both, 2, dim=1)[0].sum(1)
        return (best + torch.where(left[:, 0] > 0, left[:, 0], -left[:, 0]) + right.std(1) + rows.shape[0] * 0)[:, None]


def nets() -> dict[str, nn.Module]:
    return {
        "perceptron": nn.Sequential(
            nn.Linear(6, 8), nn.ReLU(inplace=True), nn.Dropout(0.3), nn.BatchNorm1d(8), nn.GELU(), nn.LayerNorm(8),
            nn.Linear(8, 1),
        ),
        "activations": nn.Sequential(
            nn.Linear(6, 8), nn.ELU(), nn.SELU(), nn.Mish(), nn.Hardswish(), nn.LeakyReLU(), nn.PReLU(), nn.Softplus(),
            nn.SiLU(), nn.Tanh(), nn.Softsign(), nn.Hardtanh(), nn.Hardsigmoid(), nn.GLU(1), nn.Softmax(1), nn.LogSoftmax(1),
            nn.Linear(4, 1),
        ),
        "images": nn.Sequential(
            nn.Unflatten(1, (1, 2, 3)), nn.Conv2d(1, 4, 2, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
            nn.GroupNorm(2, 4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 1),
        ),
        "lstm": Recurrent(nn.LSTM), "gru": Recurrent(nn.GRU), "attention": Attending(), "embedding": Embedding(),
        "choices": Choosing(), "float64": nn.Linear(6, 1).double(), "bfloat16": nn.Linear(6, 1).bfloat16(),
    }  # fmt: skip


def compared(body: nn.Module, *, apart: bool) -> str:
    """apart: the program taken apart into core operators."""
    dtype = next((weights.dtype for weights in body.parameters()), torch.float32)
    rows = torch.randn(7, 6).to(dtype)
    many = {"rows": {0: torch.export.Dim("n")}}
    program = torch.export.export(Answering(body).eval(), (rows,), dynamic_shapes=many)
    program = program.run_decompositions() if apart else program
    torch.export.save(program, saved := io.BytesIO())
    model, theirs = load_bytes("torch", pack_program(saved.getvalue()), INPUTS), program.module()
    for count in (1, 3, 7):
        given = model.predict({f"x{place}": rows[:count, place].double().numpy() for place in range(6)})["probability"]
        with torch.inference_mode():
            wanted = theirs(rows[:count].clone())["probability"].double().numpy()
        if not np.array_equal(given, wanted):
            return f"{given} is not {wanted}"
    return "equal"


def main() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    found = {}
    for name, body in nets().items():
        for apart in (False, True):
            try:
                found[f"{name}{', apart' if apart else ''}"] = compared(body, apart=apart)
            except Exception as problem:
                found[name] = f"{type(problem).__name__}: {problem}"
    print(json.dumps(found))


if __name__ == "__main__":
    main()

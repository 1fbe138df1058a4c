"""A sync in a process of its own, to be killed: `python rag_child.py ROOT LEDGER`; says `ready`, and `done` at the end."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rag_help import HashEmbedder, Project


class Recorded(HashEmbedder):
    """Writes how many texts it embeds to a file before it does."""

    def __init__(self, ledger: Path) -> None:
        super().__init__()
        self._out = os.open(ledger, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        os.write(self._out, f"{len(texts)}\n".encode())
        time.sleep(0.005)
        return super().embed(texts)


if __name__ == "__main__":
    project = Project(Path(sys.argv[1]))
    os.write(1, b"ready\n")
    project.sync(embedder=Recorded(Path(sys.argv[2])), batch=8)
    os.write(1, b"done\n")
    project.close()

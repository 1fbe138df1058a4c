"""Starts one of our modules in a project's Python: `python -I boot.py OVERLAY MODULE ARGUMENT...`.

The overlay comes last on the path, so that the project's versions win; Shipway itself alone comes from the overlay.
Standard library only, and nothing here knows what it starts.
"""

from __future__ import annotations

import os
import runpy
import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec

# One thread a worker: OpenMP's default made one prediction 190 times slower on a busy small machine (facts/serving.md).
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "POLARS_MAX_THREADS")


def main(overlay: str, module: str, *arguments: str) -> None:
    for name in ONE_THREAD:
        os.environ.setdefault(name, "1")
    own_folder = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [path for path in sys.path if os.path.abspath(path) != own_folder]
    sys.path.append(overlay)
    _bind_shipway(overlay)
    sys.argv[:] = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _bind_shipway(overlay: str) -> None:
    """A Shipway that the project happens to have installed may be another version: ours is the overlay's."""
    spec = PathFinder.find_spec("shipway", [overlay])
    if spec is None:
        return
    sys.modules["shipway"] = module = module_from_spec(spec)
    if spec.loader is not None:
        spec.loader.exec_module(module)


if __name__ == "__main__":
    main(*sys.argv[1:])

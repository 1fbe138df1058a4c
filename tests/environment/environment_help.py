"""What the tests of this room share: a real environment from a shipped lock, and a project of steps."""

from __future__ import annotations

import os
import shutil
from functools import cache
from pathlib import Path

from shipway.environment import (
    Codec,
    StepCall,
    StepFile,
    StepInput,
    default_cache,
    ensure_environment,
    environment_object,
)
from shipway.kernel.canonical import canonical_json
from shipway.kernel.digest import Descriptor, Digest, digest_bytes

DATA = Path(__file__).parent / "data"
LOCK = (DATA / "requirements.lock").read_bytes()
ENVIRON = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}


def digest_of(lock: bytes) -> Digest:
    descriptor = Descriptor("text/plain", digest_bytes(lock), len(lock))
    return digest_bytes(canonical_json(environment_object(lock=descriptor, python="3.11")))


@cache
def project_python() -> Path:
    """The python of the project that these tests pretend to be; kept in the default cache from run to run."""
    return ensure_environment(digest_of(LOCK), LOCK, python="3.11", cache=default_cache(), report=print)


class Project:
    """A root with the steps of data/steps.py.txt, and calls of them whose values land below `work`."""

    def __init__(self, work: Path) -> None:
        self.root, self.work, self._calls = work / "code", work, 0
        self.root.mkdir(parents=True)
        shutil.copy(DATA / "steps.py.txt", self.root / "steps.py")

    def call(
        self, function: str, codec: Codec, *, file: str = "steps.py", environ: dict[str, str] | None = None, **inputs: StepInput
    ) -> StepCall:
        self._calls += 1
        directory = self.work / "values" / str(self._calls)
        return StepCall(function, file, self.root, inputs, codec, directory, environ or {})


def value(codec: Codec, *paths: Path) -> StepInput:
    return StepInput(codec, [StepFile(path, path.name) for path in paths])

"""A local model as a child of this process: started, waited for, and ended with it."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from types import TracebackType
from typing import IO, Self, cast

from shipway.kernel.digest import Digest
from shipway.llm._types import Provider
from shipway.llm._weights import LocalModelMissing, find_weights
from shipway.llm.local import LocalModelFailed

READY_SECONDS = 120.0  # a model of some gigabytes on a slow disk
DRAIN_SECONDS = 10.0
_ENVIRONMENT = ("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONPATH", "XDG_CACHE_HOME", "VIRTUAL_ENV")


class LocalServer:
    """A running local model; url is the base of its OpenAI address. `stop` it, or use it in `with`."""

    def __init__(self, process: subprocess.Popen[bytes], *, port: int, model: str, weights: Digest, log: IO[bytes]) -> None:
        self._process, self._log = process, log
        self.url, self.pid, self.model, self.weights = f"http://127.0.0.1:{port}/v1", process.pid, model, weights

    def provider(self, name: str, **parameters: int | float | str) -> Provider:
        """This server as a provider with these parameters."""
        return Provider(name, self.model, self.url, local=self.model, weights=self.weights, parameters=parameters)

    def running(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> None:
        """End it; it is killed when it does not end by itself."""
        _end(self._process)
        self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()


def start_local(
    weights: str | os.PathLike[str], *, model: str = "", port: int = 0, context: int = 2048, keep_prompts: bool = False
) -> LocalServer:
    """Start a local model on loopback and wait until it answers. weights: as in find_weights; model: the name that it answers
    to (that of the weights when left out); port: 0 takes a free one; context: tokens of prompt and answer together.
    keep_prompts: what two prompts begin with alike is read once and accounted as cached; faster, and an answer then depends
    on what was asked before it.

    The child ends with the thread that started it (Linux), so call it from one that lives. Raises LocalModelMissing and
    LocalModelFailed.
    """
    path = find_weights(os.fspath(weights))
    name = model or (path.stem if os.fspath(weights) == str(path) else os.fspath(weights))
    log = tempfile.TemporaryFile()  # noqa: SIM115 (it lives as long as the child)
    try:
        options = ["--weights", str(path), "--model", name, "--port", str(port), "--context", str(context)]
        process, reader = _start([*options, *(["--keep-prompts"] if keep_prompts else [])], log)
        try:
            said = _await_ready(reader)
        except BaseException:
            _end(process)
            raise
        finally:
            os.close(reader)
        if not said.get("ready"):
            _end(process)
            raise _failure(said, log, where=str(path))
    except BaseException:
        log.close()
        raise
    return LocalServer(process, port=cast("int", said["port"]), model=name, weights=Digest(str(said["weights"])), log=log)


def _start(arguments: list[str], log: IO[bytes]) -> tuple[subprocess.Popen[bytes], int]:
    """The child and the end of the pipe on which it says that it is ready. It sees no variable that could hold a key."""
    reader, writer = os.pipe()
    command = [
        sys.executable,
        "-P",  # nothing of the folder that it is started in
        "-m",
        "shipway.llm.local",
        *arguments,
        "--ready-fd",
        str(writer),
        "--die-with-parent",
        str(os.getpid()),
    ]
    seen = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    try:
        return subprocess.Popen(command, pass_fds=(writer,), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=seen), reader
    except BaseException:
        os.close(reader)
        raise
    finally:
        os.close(writer)


def _await_ready(reader: int) -> dict[str, object]:
    """The line that the child said; empty when it ended without one, or the time was up."""
    end, data = time.monotonic() + READY_SECONDS, b""
    while not data.endswith(b"\n"):
        found, _, _ = select.select([reader], [], [], max(0.0, end - time.monotonic()))
        piece = os.read(reader, 1 << 16) if found else b""
        if not piece:
            return {}
        data += piece
    return cast("dict[str, object]", json.loads(data))


def _failure(said: dict[str, object], log: IO[bytes], *, where: str) -> LocalModelMissing | LocalModelFailed:
    error = cast("dict[str, str]", said.get("error") or {})
    if error.get("code") == LocalModelMissing.code:
        return LocalModelMissing(error["what"], where=error.get("where"), mend=error.get("mend"))
    if error:
        return LocalModelFailed(error["what"], where=error.get("where"), mend=error.get("mend"))
    log.seek(0)
    tail = " / ".join(log.read().decode("utf-8", "replace").strip().splitlines()[-3:])
    return LocalModelFailed(f"the local model did not start: {tail[-400:] or 'it said nothing'}", where=where)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(timeout=DRAIN_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()

"""What is served: a command line for one deployment."""

from __future__ import annotations

from dataclasses import dataclass

from shipway.kernel.digest import Digest


@dataclass(frozen=True, slots=True)
class Serving:
    """A command line that serves one deployment, and how many processes of it are wanted.

    secrets: names of the variables that it gets besides the usual few; ready_seconds: that a process may take to start;
    drain_seconds: that it may take to finish what it has accepted, more than it takes itself the time for; files: what it
    reads when it starts, as objects; returns: whether it can step aside for another one, stay loaded, and come back; grpc:
    whether the deployment wants a second port for it, None where it cannot answer it; nice: how much later than others it is
    let on the processor.
    """

    ref: str
    deployment: Digest
    release: Digest
    command: tuple[str, ...]
    workers: int
    secrets: tuple[str, ...] = ()
    ready_seconds: float = 60.0
    drain_seconds: float = 35.0
    files: tuple[Digest, ...] = ()
    returns: bool = False
    grpc: bool | None = None
    nice: int = 0

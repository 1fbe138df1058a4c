"""The sizes that Fargate has; what a step asks for is rounded up to the next one."""

from __future__ import annotations

from typing import NamedTuple

from shipway.deploy._errors import CannotExpress

MIB = 2**20


class FargateSize(NamedTuple):
    """CPU units (1024 are one core) and MiB, as a task definition has them."""

    cpu: int
    memory: int


# units of CPU: the MiB that go with them, from, to, in steps of (AWS, "Task CPU and memory", Linux)
_SIZES = {
    256: (512, 2048, 512),
    512: (1024, 4096, 1024),
    1024: (2048, 8192, 1024),
    2048: (4096, 16384, 1024),
    4096: (8192, 30720, 1024),
    8192: (16384, 61440, 4096),
    16384: (32768, 122880, 8192),
}


def fargate_size(cpu: float | None, memory: int | None, *, what: str) -> FargateSize:
    """The smallest size with at least these cores and bytes; half a core and 1 GiB where nothing is said. Raises CannotExpress.

    >>> fargate_size(1.5, 5 * 2**30, what="step fit"), fargate_size(None, None, what="step fit")
    (FargateSize(cpu=2048, memory=5120), FargateSize(cpu=512, memory=1024))
    """
    cores, wanted = cpu or 0.5, -(-(memory or 2**30) // MIB)
    for units, (least, most, step) in _SIZES.items():
        size = max(least, -(-wanted // step) * step)
        if units == 256 and size > 1024:
            size = max(size, 2048)  # of the smallest, and there is none between
        if units >= cores * 1024 and size <= most:
            return FargateSize(units, size)
    raise CannotExpress(f"Fargate has no task as large as {what} asks for", mend="at most 16 cores and 120 GiB")

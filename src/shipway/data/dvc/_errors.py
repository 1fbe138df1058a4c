"""What can be wrong with the files of a DVC repository."""

from __future__ import annotations

from shipway.kernel.errors import ShipwayError


class DvcMalformed(ShipwayError):
    """A file of a DVC repository that says what it cannot mean: cut, in conflict, with a path that leads out of the folder."""

    code = "data.dvc-malformed"


class DvcMissing(ShipwayError):
    """Neither DVC's cache nor the folder nor a remote has bytes that a .dvc file names, or there is no repository."""

    code = "data.dvc-missing"


class DvcDamaged(ShipwayError):
    """Bytes in DVC's cache or remote that are not what their name says."""

    code = "data.dvc-damaged"


class DvcUnsupported(ShipwayError):
    """Something that DVC can do and Shipway does not read."""

    code = "data.dvc-unsupported"

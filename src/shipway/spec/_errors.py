"""The two errors of this room: there is no spec, or it says something it cannot mean."""

from __future__ import annotations

from shipway.kernel.errors import ShipwayError


class SpecMissing(ShipwayError):
    """No shipway.yaml here or above, or one that cannot be opened."""

    code = "spec.missing"


class SpecMalformed(ShipwayError):
    """The spec (or a contract it names) says what it cannot mean; `where` is `file:line:column`, counted from 1."""

    code = "spec.malformed"

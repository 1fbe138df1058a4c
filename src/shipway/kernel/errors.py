"""The one root of every error a user can meet: what, where, how to mend, a stable code, worth a retry or not."""

from __future__ import annotations


class ShipwayError(Exception):
    """Something a person can mend. `code` is stable and has a heading in docs/errors.md.

    what: one sentence; where: file, line, ref or digest; mend: the thing to do or type; retry: the same call may succeed later.
    """

    code = "shipway.error"
    retry = False

    def __init__(self, what: str, *, where: str | None = None, mend: str | None = None) -> None:
        super().__init__(what)
        self.what, self.where, self.mend = what, where, mend

    def render(self) -> str:
        """The error as a person reads it: at most a line each for what, where and how to mend."""
        lines = [f"error: {self.what}"]
        if self.where:
            lines.append(f"  where: {self.where}")
        if self.mend:
            lines.append(f"  mend:  {self.mend}")
        lines.append(f"  code:  {self.code}")
        return "\n".join(lines)


def nearest(name: str, known: list[str]) -> str | None:
    """The known name that a person most likely meant, or None.

    >>> nearest("polciy", ["policy", "project"])
    'policy'
    """
    import difflib  # 5 ms that only a mistake pays

    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return close[0] if close else None

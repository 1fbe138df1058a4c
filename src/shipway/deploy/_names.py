"""Names of the project as a target takes them, and never two of them as one."""

from __future__ import annotations

import re
from collections.abc import Iterable

from shipway.deploy._errors import CannotExpress, NamesCollide

DNS_LABEL = 63  # RFC 1123; what Kubernetes takes for most names


def label_name(name: str) -> str:
    """The RFC 1123 label of a name: small letters, digits and `-`, no `-` at its ends. May be empty.

    >>> label_name("fit_Model"), label_name("delay@prod"), label_name("_x")
    ('fit-model', 'delay-prod', 'x')
    """
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def label_names(
    names: Iterable[str], *, target: str, what: str, longest: int = DNS_LABEL, taken: Iterable[str] = ()
) -> dict[str, str]:
    """name -> its label, in the order given. what: what the names are of, for the message; taken: labels of our own.

    Raises NamesCollide when two become one, CannotExpress for a name that is too long or of which nothing is left.
    """
    found: dict[str, str] = {}
    owners = dict.fromkeys(taken, "a name of Shipway's own")
    for name in names:
        label = label_name(name)
        if not label or len(label) > longest:
            raise CannotExpress(
                f"{target} has no name for the {what} {name}", mend=f"rename it: 1 to {longest} letters, digits, _"
            )
        if label in owners:
            raise NamesCollide(
                f"the {what} {name} and {owners[label]} are both {label} for {target}", mend="rename one of the two"
            )
        owners[label] = name
        found[name] = label
    return found

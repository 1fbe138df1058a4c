"""References to secrets and their values. A value is returned, never printed, stored or put into an error."""

from __future__ import annotations

from collections.abc import Mapping

from shipway.llm._errors import SecretMissing

_ENVIRONMENT = "secret://env/"


def secret_value(reference: str, environ: Mapping[str, str]) -> str:
    """The secret behind `secret://env/NAME`; raises SecretMissing when the variable is not set, or empty.

    A reference of another form is not repeated in the error: it may be the key itself, pasted into the wrong place.

    >>> secret_value("secret://env/TEAM_KEY", {"TEAM_KEY": "abc"})
    'abc'
    """
    name = reference.removeprefix(_ENVIRONMENT)
    if name == reference or not name.isidentifier():
        raise SecretMissing("a key is not a reference to a secret", mend="write secret://env/NAME and set that variable")
    value = environ.get(name, "").strip()
    if not value:
        raise SecretMissing(f"the variable {name} is not set", where=reference, mend=f"export {name}=...")
    if not value.isprintable() or not value.isascii():  # a header could not carry it, and would be a way to smuggle others
        raise SecretMissing(f"the variable {name} holds no key: it has unprintable characters", where=reference)
    return value

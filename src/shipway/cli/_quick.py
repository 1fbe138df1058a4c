"""The commands that people and schedules type most, run without a parser where their words are plain.

A parser costs 20 ms, a fifth of a short command. Whatever it would have to explain, or might mean otherwise, is left to it.
"""

from __future__ import annotations

from shipway.cli._exit import DONE, FAILED
from shipway.kernel.lazy import put_off

# what Python's own modules import for rare cases: of a class without a docstring, of an address in brackets, of Windows' paths
_RARE = ("inspect", "copy", "ipaddress", "ntpath", "base64", "filecmp", "fnmatch")
_WAYS = ("auto", "reflink", "hardlink", "copy")


def run_quickly(words: list[str]) -> int | None:
    """The exit code; None where these words are for the parser, and nothing was done."""
    if words[:2] == ["data", "status"]:
        flags, names, _ = _plain(words[2:], flags=("--json",), valued=None)
        if names is None:
            return None
        put_off(*_RARE)
        return _status(names, flags)
    if words[:2] == ["data", "checkout"]:
        flags, names, link = _plain(words[2:], flags=("--json", "--force"), valued="--link")
        if names is None or link not in (None, *_WAYS):
            return None
        put_off(*_RARE)
        return _checkout(names, flags, link or "auto")
    if words[:2] == ["data", "snapshot"]:
        flags, names, why = _plain(words[2:], flags=("--json",), valued="--why")
        if names is None or (why is not None and why[:1] in ("", "-")):
            return None
        put_off(*_RARE)
        return _snapshot(names, flags, why or "")
    return None


def _plain(
    words: list[str], *, flags: tuple[str, ...], valued: str | None
) -> tuple[set[str], tuple[str, ...] | None, str | None]:
    """Flags, names, and the value of the one option that has one; names are None where anything else is said."""
    found, names, value, left = set[str](), list[str](), None, iter(words)
    for word in left:
        if word in flags:
            found.add(word)
        elif word == valued:
            value = next(left, "")
        elif word[:1] == "-":
            return found, None, None
        else:
            names.append(word)
    return found, tuple(names), value


def _status(names: tuple[str, ...], flags: set[str]) -> int:
    from shipway.cli._settings import read_settings
    from shipway.cli._status import tell_status

    return FAILED if tell_status(read_settings(directory=".", debug=False), names, as_json="--json" in flags) else DONE


def _checkout(names: tuple[str, ...], flags: set[str], link: str) -> int:
    from shipway.cli._checkout import check_out_data
    from shipway.cli._settings import read_settings

    settings, force, as_json = read_settings(directory=".", debug=False), "--force" in flags, "--json" in flags
    check_out_data(settings, names, at=None, link=link, force=force, as_json=as_json)
    return DONE


def _snapshot(names: tuple[str, ...], flags: set[str], why: str) -> int:
    from shipway.cli._settings import read_settings
    from shipway.cli._snapshot import take_snapshots

    settings, as_json = read_settings(directory=".", debug=False), "--json" in flags
    take_snapshots(settings, names, why=why, whole=False, branch=None, as_json=as_json)
    return DONE

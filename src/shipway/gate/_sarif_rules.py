"""The level that a SARIF result has from its rule: what the rule says by default, and what an invocation said instead.

Everything is looked up by key: a hostile log of a million results and as many rules is read once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from shipway.gate._foreign import ImportRefused
from shipway.kernel.canonical import Json

_LEVELS = ("none", "note", "warning", "error")  # upwards
_Object = Mapping[str, Json]
_Key = tuple[int, int | str]  # which part of the tool, and its rule: by its place there, else by its id
_DRIVER = -1


class Rules:
    """The rules of one run. Raises ImportRefused."""

    def __init__(self, run: _Object) -> None:
        tool = mapping(run.get("tool"))
        extensions = objects(tool.get("extensions") or [], "extensions")
        self._parts = {_DRIVER: _Part(mapping(tool.get("driver")))} | {at: _Part(one) for at, one in enumerate(extensions)}
        self._called = {name: at for at, one in reversed(list(enumerate(extensions))) for name in _names(one, "name")}
        invocations = objects(run.get("invocations") or [], "invocations")
        self._said = [self._overrides(one) for one in invocations]
        self._ever: dict[_Key, str] = {}
        for said in self._said:
            for key, level in said.items():
                self._ever[key] = _worse(level, self._ever.get(key))

    def level(self, result: _Object) -> str:
        """The level of a result: its own, else that of its rule in its invocation, else the rule's, else warning (3.27.10).

        Where a result does not say which invocation found it, what any of them said can raise its level, and lower none.
        """
        if "level" in result:
            return _known(result["level"])
        named = mapping(result.get("rule"))
        index, name = result.get("ruleIndex", named.get("index")), result.get("ruleId", named.get("id"))
        keys = list(self._keys({**named, "index": index, "id": name}))
        part, rule = keys[0]
        default = self._parts[part].level(rule) if isinstance(rule, int) else "warning"
        invocation = mapping(result.get("provenance")).get("invocationIndex", -1)
        if isinstance(invocation, int) and 0 <= invocation < len(self._said):
            return _first(self._said[invocation], keys) or default
        return _worse(default, _first(self._ever, keys))

    def _keys(self, named: _Object) -> Iterator[_Key]:
        """Under which a reference to a rule may be known, nearest first."""
        part = self._part(mapping(named.get("toolComponent")))
        place = self._parts[part].find(named)
        if place is not None:
            yield part, place
        for name in _leading(named.get("id")) or [""]:
            yield part, name

    def _part(self, named: _Object) -> int:
        """The part of the tool that a reference is about: an extension by its place, guid or name, else the driver."""
        index = named.get("index")
        if isinstance(index, int) and index in self._parts:
            return index
        return next((self._called[name] for name in _names(named, "name") if name in self._called), _DRIVER)

    def _overrides(self, invocation: _Object) -> dict[_Key, str]:
        """What an invocation said of its rules; of two words about one rule, the worse."""
        found: dict[_Key, str] = {}
        for entry in objects(invocation.get("ruleConfigurationOverrides") or [], "ruleConfigurationOverrides"):
            level = mapping(entry.get("configuration")).get("level")
            if level is not None:
                key = next(self._keys(mapping(entry.get("descriptor"))))
                found[key] = _worse(_known(level), found.get(key))
        return found


class _Part:
    """The driver or an extension: its rules, by place, guid and id."""

    def __init__(self, component: _Object) -> None:
        self._rules = objects(component.get("rules") or [], "rules")
        self._places = {name: at for at, rule in reversed(list(enumerate(self._rules))) for name in _names(rule, "id")}

    def find(self, named: _Object) -> int | None:
        """The place of a rule by its own place, its guid or its id. `a/b/c` may be of the rule `a/b` or `a` (3.27.5)."""
        index = named.get("index")
        if isinstance(index, int) and 0 <= index < len(self._rules):
            return index
        names = [*_names({"guid": named.get("guid")}, "id"), *(("id", known) for known in _leading(named.get("id")))]
        return next((self._places[name] for name in names if name in self._places), None)

    def level(self, place: int) -> str:
        return _known(mapping(self._rules[place].get("defaultConfiguration")).get("level", "warning"))


def _names(entry: _Object, field: str) -> Iterator[tuple[str, str]]:
    """By which a thing is found: its guid, in any case, then its id or name."""
    guid, name = entry.get("guid"), entry.get(field)
    if isinstance(guid, str):
        yield "guid", guid.lower()
    if isinstance(name, str):
        yield field, name


def _leading(name: Json) -> list[str]:
    """The ids that a result's rule may have, nearest first."""
    parts = name.split("/")[:20] if isinstance(name, str) else []
    return ["/".join(parts[:length]) for length in range(len(parts), 0, -1)]


def _first(said: Mapping[_Key, str], keys: list[_Key]) -> str | None:
    return next((said[key] for key in keys if key in said), None)


def _worse(level: str, other: str | None) -> str:
    return max(level, other or "none", key=_LEVELS.index)


def _known(level: Json) -> str:
    if level not in _LEVELS:
        raise ImportRefused(f"a result has the level {str(level)[:20]!r}, which SARIF has not")
    return str(level)


def mapping(value: Json) -> _Object:
    """An object, or an empty one for whatever is none."""
    return value if isinstance(value, Mapping) else {}


def objects(value: Json, what: str) -> list[_Object]:
    """A list of objects. Raises ImportRefused."""
    if not isinstance(value, list) or not all(isinstance(entry, Mapping) for entry in value):
        raise ImportRefused(f"no SARIF: {what} is no list of objects")
    return [entry for entry in value if isinstance(entry, Mapping)]

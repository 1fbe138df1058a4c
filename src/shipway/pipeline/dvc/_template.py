"""`${...}` in dvc.yaml: values of parameter files and `vars`, put in by the rules of DVC. Nothing is evaluated."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shipway.data.dvc import DvcMalformed
from shipway.kernel.canonical import Json, JsonObject

_PLACE = re.compile(r"(?<!\\)\$\{(.*?)\}")
_WORD = r"[^.\[\]{}$]+"
_EXPRESSION = re.compile(rf"{_WORD}(?:\.{_WORD}|\[{_WORD}\])*")
_LONGEST = 1_000_000  # characters of one text with everything put in


@dataclass(frozen=True, slots=True)
class Context:
    """Values by name, and where each name came from."""

    values: Mapping[str, Json] = field(default_factory=dict)

    def merged(self, other: Mapping[str, Json], *, where: str) -> Context:
        """With more values; groups are united. Raises DvcMalformed for a name that is there already."""
        return Context(_merged(self.values, other, "", where))

    def having(self, names: Mapping[str, Json]) -> Context:
        """With these names in the place of whatever had them: `item` and `key`."""
        return Context({**self.values, **names})

    def resolve(self, value: Json, *, where: str, cmd: bool = False, whole: bool = False) -> Json:
        """The value with everything put in, also below. cmd: groups become flags; whole: they and lists may come."""
        if isinstance(value, str):
            return self._text(value, where, cmd=cmd, whole=whole)
        if isinstance(value, Mapping):
            found = {}
            for name, item in value.items():
                key = self._text(name, where, cmd=False, whole=False)
                found[to_text(key)] = self.resolve(item, where=where, cmd=cmd, whole=whole)
            return found
        if isinstance(value, list | tuple):
            return [self.resolve(item, where=where, cmd=cmd, whole=whole) for item in value]
        return value

    def _text(self, text: str, where: str, *, cmd: bool, whole: bool) -> Json:
        places = list(_PLACE.finditer(text))
        if not places:
            return text.replace("\\${", "${")
        if len(places) == 1 and places[0][0] == text:
            value = self._select(places[0][1], where)
            return _flags(value, where) if cmd and isinstance(value, Mapping) else _plain(value, text, where, whole=whole)
        parts, end = list[str](), 0
        for place in places:
            value = self._select(place[1], where)
            put = (
                _flags(value, where) if cmd and isinstance(value, Mapping) else to_text(_plain(value, text, where, whole=False))
            )
            parts += [text[end : place.start()], put]
            end = place.end()
        done = "".join([*parts, text[end:]])
        if len(done) > _LONGEST:
            raise DvcMalformed(f"a text becomes longer than {_LONGEST:,} characters", where=where)
        return done.replace("\\${", "${")

    def _select(self, expression: str, where: str) -> Json:
        expression = expression.strip()
        if not _EXPRESSION.fullmatch(expression):
            mend = "a name, with `.name` or `[0]` after it; nothing is computed"
            raise DvcMalformed(f"${{{expression[:60]}}} is no name of a value", where=where, mend=mend)
        value: Json = dict(self.values)
        for word in expression.replace("[", ".").replace("]", "").split("."):
            value = _step(value, word.strip(), expression, where)
        return value


def to_text(value: Json) -> str:
    """A value inside a text, as DVC writes it.

    >>> to_text(True), to_text(0.1), to_text(None)
    ('true', '0.1', 'None')
    """
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def has_place(value: Json) -> bool:
    """Whether something would be put in somewhere below."""
    if isinstance(value, str):
        return bool(_PLACE.search(value))
    if isinstance(value, Mapping):
        return any(has_place(name) or has_place(item) for name, item in value.items())
    return isinstance(value, list | tuple) and any(map(has_place, value))


def _step(value: Json, word: str, expression: str, where: str) -> Json:
    if isinstance(value, Mapping) and word in value:
        found: Json = value[word]
        return found
    if isinstance(value, list | tuple) and re.fullmatch(r"-?[0-9]{1,9}", word) and -len(value) <= int(word) < len(value):
        item: Json = value[int(word)]
        return item
    raise DvcMalformed(
        f"there is no value {expression}", where=where, mend="add it to params.yaml or vars, or correct the name"
    )


def _plain(value: Json, text: str, where: str, *, whole: bool) -> Json:
    if isinstance(value, Mapping | list | tuple) and not whole:
        raise DvcMalformed(
            f"{text[:60]!r} would put a whole list or group into a text", where=where, mend="name one value of it"
        )
    return value


def _flags(value: Mapping[str, Json], where: str) -> str:
    """A group as flags of a command, as DVC writes it by default."""
    said: list[str] = []
    for name, item in _flat(value, ""):
        if isinstance(item, bool):
            said += [f"--{name}"] if item else []
        elif isinstance(item, list | tuple):
            if any(isinstance(one, Mapping | list | tuple) for one in item):
                raise DvcMalformed(f"{name} is a list of lists or groups, which are no flags", where=where)
            said.append(" ".join([f"--{name}", *(shlex.quote(one) if isinstance(one, str) else str(one) for one in item)]))
        else:
            said.append(f"--{name} {shlex.quote(item) if isinstance(item, str) else item}")
    return " ".join(said)


def _flat(value: Mapping[str, Json], below: str) -> Sequence[tuple[str, Json]]:
    found: list[tuple[str, Json]] = []
    for name, item in value.items():
        found += _flat(item, f"{below}{name}.") if isinstance(item, Mapping) and item else [(below + name, item)]
    return found


def _merged(into: Mapping[str, Json], more: Mapping[str, Json], below: str, where: str) -> JsonObject:
    done = dict(into)
    for name, value in more.items():
        known = done.get(name)
        if isinstance(known, Mapping) and isinstance(value, Mapping):
            done[name] = _merged(known, value, f"{below}{name}.", where)
        elif name in done:
            raise DvcMalformed(f"{below}{name} has a value already", where=where, mend="rename one of the two")
        else:
            done[name] = value
    return done

"""dvc.yaml to stages: `foreach`, `matrix`, `vars` and `${...}` put in, every path judged. Reads files of parameters."""

from __future__ import annotations

import math
import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path

from shipway.data.dvc import DvcMalformed, as_group, as_sequence, below, fail, plain, read_text, read_yaml
from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.errors import nearest
from shipway.pipeline.dvc._params import Read, params_reader, select_params
from shipway.pipeline.dvc._template import Context, has_place, to_text
from shipway.pipeline.dvc._types import Stage, StageOut, StagePath
from shipway.spec import YamlNode

_TOP = ("stages", "vars", "params", "metrics", "plots", "artifacts", "datasets")
_KEYS = (
    *("cmd", "wdir", "deps", "params", "vars", "outs", "metrics", "plots"),
    *("frozen", "always_changed", "meta", "desc", "matrix"),
)
_MOST = 10_000  # stages of one file: a matrix of more is a mistake
_PARAMS = "params.yaml"


def read_stages(root: Path, entry: str) -> tuple[Stage, ...]:
    """The stages of the file at `entry` below `root`, in its order. Raises DvcMalformed, DvcMissing, DvcUnsupported."""
    return _Reader(root, entry).stages()


class _Reader:
    def __init__(self, root: Path, entry: str) -> None:
        self._root, self._entry, self._base = root, entry, posixpath.dirname(entry)
        self._read: Read = params_reader(root)

    def stages(self) -> tuple[Stage, ...]:
        node = read_yaml(read_text(self._root / self._entry, self._entry), self._entry)
        top = self._known(node, _TOP, self._entry)
        context = self._context(top.get("vars"))
        found: dict[str, Stage] = {}
        for name, stage in as_group(top.get("stages", YamlNode({}, node.where)), "stages").items():
            for one in self._spread(name, stage, context):
                found[one.name] = one
                if len(found) > _MOST:
                    raise fail(stage, f"{self._entry} has more than {_MOST:,} stages")
        if not found:
            raise fail(node, f"{self._entry} has no stage", mend="dvc stage add")
        _refuse_overlaps(found.values())
        return tuple(found.values())

    def _known(self, node: YamlNode, known: Sequence[str], what: str) -> Mapping[str, YamlNode]:
        entries = as_group(node, what)
        for name in entries:
            if name not in known:
                near = nearest(name[:80], list(known))
                key = node.keys[name]
                raise fail(key, f"{key.shown()} is not a key of {what}", mend=f"did you mean {near}?" if near else None)
        return entries

    def _context(self, given: YamlNode | None) -> Context:
        """The default file of parameters when it is there, then `vars`."""
        context, default = Context(), posixpath.join(self._base, _PARAMS)
        if (self._root / default).is_file():
            context = context.merged(_words(self._read(default)), where=default)
        return self._with(context, given, self._base, seen={default})

    def _with(self, context: Context, given: YamlNode | None, folder: str, *, seen: set[str]) -> Context:
        for item in as_sequence(given, "vars") if given else ():
            value = plain(item)
            if has_place(value):
                raise fail(item, "nothing is put into vars", mend="write the value")
            if isinstance(value, Mapping):
                context = context.merged(value, where=item.where)
            elif isinstance(value, str):
                context = self._loaded(context, value, folder, item, seen)
            else:
                raise fail(item, f"an entry of vars is a file or a group, not {item.shown()}")
        return context

    def _loaded(self, context: Context, text: str, folder: str, node: YamlNode, seen: set[str]) -> Context:
        name, _, words = text.partition(":")
        path = below(folder, name, where=node.where)
        keys = [word for word in words.split(",") if word]
        if path in seen and not keys:
            return context
        seen.add(path)
        values = _words(self._read(path))
        if missing := [key for key in keys if key not in values]:
            raise fail(node, f"{path} has no {missing[0]}")
        return context.merged({key: values[key] for key in keys} if keys else values, where=node.where)

    def _spread(self, name: str, node: YamlNode, context: Context) -> Iterator[Stage]:
        """The stages of one entry: one, or one for each item of `foreach`, or for each combination of `matrix`."""
        what = f"the stage {name}"
        group = as_group(node, what)
        if "foreach" in group or "do" in group:
            entries = self._known(node, ("foreach", "do"), what)
            if entries.keys() != {"foreach", "do"}:
                raise fail(node, f"{what} has one of foreach and do without the other")
            body = self._known(entries["do"], _KEYS, what)
            items = context.resolve(plain(entries["foreach"]), where=entries["foreach"].where, whole=True)
            for key, values in _items(items, entries["foreach"]):
                yield self._stage(f"{name}@{key}", entries["do"], body, context.having(values))
            return
        body = self._known(node, _KEYS, what)
        if "matrix" not in body:
            yield self._stage(name, node, body, context)
            return
        axes = context.resolve(plain(body["matrix"]), where=body["matrix"].where, whole=True)
        for key, values in _combinations(axes, body["matrix"]):
            yield self._stage(f"{name}@{key}", node, body, context.having({"item": values, "key": key}))

    def _stage(self, name: str, node: YamlNode, body: Mapping[str, YamlNode], context: Context) -> Stage:
        if "cmd" not in body or not body["cmd"].value:
            raise fail(node, f"the stage {name} has no cmd")
        folder = self._folder(body.get("wdir"), context)
        context = self._with(context, body.get("vars"), folder, seen=set())
        cmd = context.resolve(plain(body["cmd"]), where=body["cmd"].where, cmd=True)
        lines = [cmd] if isinstance(cmd, str) else cmd
        if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
            raise fail(body["cmd"], f"cmd of {name} is a text or a list of them")
        commands = cmd.splitlines() if isinstance(cmd, str) else [str(line) for line in lines]
        deps = [self._path(one, node, folder, context) for one in as_sequence(body["deps"], "deps")] if "deps" in body else []
        outs = [out for kind in ("outs", "metrics", "plots") if kind in body for out in self._outs(body[kind], folder, context)]
        return Stage(
            name,
            tuple(line for line in commands if line.strip()),
            cmd,
            folder,
            tuple(sorted(deps, key=lambda dep: dep.written)),
            self._params(body.get("params"), folder, context),
            tuple(sorted(outs, key=lambda out: out.written)),
            _flag(body, "frozen"),
            _flag(body, "always_changed") or not (deps or outs),
            node.where,
        )

    def _folder(self, node: YamlNode | None, context: Context) -> str:
        if node is None or node.value in (None, ""):
            return self._base
        text = to_text(context.resolve(plain(node), where=node.where))
        joined = posixpath.normpath(posixpath.join(self._base, text))
        return "" if joined == "." else below("", joined, where=node.where)

    def _path(self, item: YamlNode, node: YamlNode, folder: str, context: Context) -> StagePath:
        value = context.resolve(plain(item), where=item.where)
        if not isinstance(value, str) or not value:
            raise fail(item, f"a path is a text, not {item.shown()}")
        return StagePath(below(folder, value, where=item.where or node.where), value)

    def _outs(self, node: YamlNode, folder: str, context: Context) -> Iterator[StageOut]:
        for item in as_sequence(node, "outs"):
            value = context.resolve(plain(item), where=item.where)
            entries: Mapping[str, Json] = value if isinstance(value, Mapping) else {to_text(value): {}}
            for written, flags in entries.items():
                said = flags[0] if isinstance(flags, list) and flags else flags
                options = said if isinstance(said, Mapping) else {}
                path = below(folder, written, where=item.where)
                yield StageOut(path, written, options.get("cache") is not False, options.get("persist") is True)

    def _params(self, node: YamlNode | None, folder: str, context: Context) -> dict[str, Mapping[str, Json]]:
        """Values by file, the default file first and the others in their order."""
        wanted: dict[str, list[str] | None] = {}
        for item in as_sequence(node, "params") if node else ():
            value = context.resolve(plain(item), where=item.where)
            files: Mapping[str, Json] = value if isinstance(value, Mapping) else {_PARAMS: [value]}
            for written, keys in files.items():
                named = [to_text(key) for key in keys] if isinstance(keys, list) else []
                known = wanted.get(written, [])
                wanted[written] = None if not named or known is None else [*known, *named]
        found: dict[str, Mapping[str, Json]] = {}
        for written in sorted(wanted, key=lambda name: (name != _PARAMS, name)):
            where = node.where if node else self._entry
            path = below(folder, written, where=where)
            found[written] = select_params(self._read(path), wanted[written] or (), path=path, where=where)
        return found


def _words(values: Mapping[str, Json]) -> JsonObject:
    return dict(values)


def _flag(body: Mapping[str, YamlNode], name: str) -> bool:
    if name not in body:
        return False
    if not isinstance(body[name].value, bool):
        raise fail(body[name], f"{name} is true or false, not {body[name].shown()}")
    return body[name].value is True


def _items(value: Json, node: YamlNode) -> Iterator[tuple[str, JsonObject]]:
    """Name and values of each item of `foreach`; of a list of lists or groups the place is the name."""
    if isinstance(value, Mapping):
        yield from ((name, {"key": name, "item": item}) for name, item in value.items())
    elif isinstance(value, list | tuple):
        composite = any(isinstance(item, Mapping | list | tuple) for item in value)
        yield from ((str(n) if composite else to_text(item), {"item": item}) for n, item in enumerate(value))
    else:
        raise fail(node, "foreach is a list or a group")


def _combinations(axes: Json, node: YamlNode) -> Iterator[tuple[str, JsonObject]]:
    if not isinstance(axes, Mapping) or not axes:
        raise fail(node, "matrix is a group of lists")
    lists: dict[str, list[Json]] = {}
    for name, values in axes.items():
        if not isinstance(values, list | tuple):
            raise fail(node, f"{name} of a matrix is a list")
        lists[name] = list(values)
    if math.prod(len(values) for values in lists.values()) > _MOST:
        raise fail(node, f"a matrix of more than {_MOST:,} stages")
    for chosen in product(*(enumerate(values) for values in lists.values())):
        named = dict(zip(lists, chosen, strict=True))
        words = [
            f"{name}{n}" if isinstance(item, Mapping | list | tuple) else to_text(item) for name, (n, item) in named.items()
        ]
        yield "-".join(words), {name: item for name, (_, item) in named.items()}


def _refuse_overlaps(stages: Iterable[Stage]) -> None:
    made: dict[str, str] = {}
    for stage in stages:
        for out in stage.outs:
            if out.path in made:
                what = f"{out.path} is made by {made[out.path]} and by {stage.name}"
                raise DvcMalformed(what, where=stage.where, mend="rename one of the two")
            made[out.path] = stage.name
    for path, name in made.items():
        head = posixpath.dirname(path)
        while head:
            if head in made:
                raise DvcMalformed(f"{path}, made by {name}, lies in {head}, which {made[head]} makes", where=path)
            head = posixpath.dirname(head)

"""`.dvc` files: which bytes belong at a path. Read in the forms of DVC 2 and 3, written in that of 3."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass

from shipway.data.dvc._errors import DvcMalformed, DvcUnsupported
from shipway.data.dvc._manifest import MD5
from shipway.data.dvc._paths import below
from shipway.data.dvc._yaml import as_group, as_sequence, fail, plain, read_yaml, render_yaml
from shipway.kernel.canonical import Json
from shipway.spec import YamlNode

_CLOUD = ("etag", "checksum", "version_id", "cloud", "files")


@dataclass(frozen=True, slots=True)
class DvcOut:
    """What stands at a path, below the repository and with `/`. md5: of the file, or of a folder's list without `.dir`.

    size: bytes, of all files of a folder; files: how many, of a folder; legacy: the sum is DVC 2's; where: for errors.
    """

    path: str
    md5: str
    folder: bool
    size: int | None = None
    files: int | None = None
    executable: bool = False
    legacy: bool = False
    where: str = ""


def parse_dvc_file(text: str, path: str) -> tuple[DvcOut, ...]:
    """The outs of a `.dvc` file at a path below the repository. Raises DvcMalformed, DvcUnsupported."""
    root = read_yaml(text, path)
    top = as_group(root, path)
    if "outs" not in top:
        raise fail(root, f"{path} has no outs: it is cut, or no .dvc file", mend=f"git checkout -- {path}")
    folder = posixpath.dirname(path)
    if "wdir" in top and top["wdir"].value:
        where = top["wdir"].where
        wdir = posixpath.normpath(posixpath.join(folder, str(top["wdir"].value)))
        folder = "" if wdir == "." else below("", wdir, where=where)
    outs = tuple(_out(node, folder) for node in as_sequence(top["outs"], f"outs of {path}"))
    if not outs:
        raise fail(root, f"{path} has no outs: it is cut, or no .dvc file", mend=f"git checkout -- {path}")
    return outs


def parse_out(node: YamlNode, folder: str) -> DvcOut:
    """One entry of `outs` or `deps`. Raises DvcMalformed, DvcUnsupported."""
    return _out(node, folder)


def _out(node: YamlNode, folder: str) -> DvcOut:
    entry = as_group(node, "an out")
    if "path" not in entry or not isinstance(entry["path"].value, str):
        raise fail(node, "an out has no path", mend="it is cut: git checkout -- the file")
    path = below(folder, entry["path"].value, where=entry["path"].where)
    if "md5" not in entry:
        if cloud := next((key for key in _CLOUD if key in entry), None):
            what = f"{path} is versioned by its remote ({cloud}), which has no MD5"
            raise DvcUnsupported(
                what, where=node.where, mend="dvc pull, then dvc remote modify NAME version_aware false and dvc add"
            )
        raise fail(node, f"{path} has no md5: it is cut, or was never added", mend="dvc commit, or git checkout -- the file")
    md5 = entry["md5"].raw
    digits = md5.removesuffix(".dir")
    if not MD5.fullmatch(digits):
        raise fail(entry["md5"], f"{entry['md5'].shown()} is no MD5, of {path}", mend="git checkout -- the file")
    if (kind := entry.get("hash")) and kind.value != "md5":
        raise DvcUnsupported(f"{path} is known by {kind.raw}, which is not read", where=kind.where, mend="dvc add it again")
    return DvcOut(
        path,
        digits,
        md5.endswith(".dir"),
        _count(entry.get("size"), "size"),
        _count(entry.get("nfiles"), "nfiles"),
        entry["isexec"].value is True if "isexec" in entry else False,
        "hash" not in entry,
        node.where,
    )


def _count(node: YamlNode | None, what: str) -> int | None:
    if node is None:
        return None
    if isinstance(node.value, bool) or not isinstance(node.value, int) or node.value < 0:
        raise fail(node, f"{what} is a whole number, not {node.shown()}")
    return node.value


def hash_fields(out: DvcOut) -> dict[str, Json]:
    """What DVC says of the bytes, in its order: `md5, size, nfiles, isexec`."""
    fields: dict[str, Json] = {"md5": out.md5 + (".dir" if out.folder else "")}
    if out.size is not None:
        fields["size"] = out.size
    if out.files is not None:
        fields["nfiles"] = out.files
    if out.executable:
        fields["isexec"] = True
    return fields


def render_dvc_file(out: DvcOut) -> str:
    """The `.dvc` file that stands beside what it describes, as `dvc add` writes it."""
    return render_yaml({"outs": [{**hash_fields(out), "hash": "md5", "path": posixpath.basename(out.path)}]})


def update_dvc_file(text: str, path: str, out: DvcOut) -> str:
    """The text of a `.dvc` file that is there, with other bytes: what a person wrote in it stays.

    Raises DvcMalformed, DvcUnsupported (several outs, or none of this path).
    """
    known = parse_dvc_file(text, path)
    if len(known) != 1 or known[0].path != out.path:
        what = f"{path} describes other paths than {out.path}"
        raise DvcUnsupported(what, where=path, mend="remove it, or correct the path of the data set")
    if _same(known[0], out):
        return text
    root = read_yaml(text, path)
    top = as_group(root, path)
    node = as_sequence(top["outs"], "outs")[0]
    fields: dict[str, Json] = {**hash_fields(out), "hash": "md5"}
    entry = as_group(node, "an out")
    changing = {"md5", "size", "nfiles", "isexec", "hash"}
    if changing & entry.keys() == fields.keys() and "md5" not in top:
        return _patched(text, {name: entry[name] for name in fields}, fields)
    kept = {name: plain(value) for name, value in entry.items() if name not in changing}
    whole = {name: plain(value) for name, value in top.items() if name not in ("md5", "outs")}
    return render_yaml({"outs": [{**fields, **kept}], **whole})


def _same(one: DvcOut, other: DvcOut) -> bool:
    return not one.legacy and hash_fields(one) == hash_fields(other)


def _patched(text: str, nodes: Mapping[str, YamlNode], fields: Mapping[str, Json]) -> str:
    """The text with other words at the places of these scalars; comments and order stay."""
    lines = text.splitlines(keepends=True)
    for name, node in nodes.items():
        _, line, column = node.where.rsplit(":", 2)
        at, number = int(column) - 1, int(line) - 1
        row = lines[number]
        quote = 0 if node.bare else 1
        new = str(fields[name]).lower() if isinstance(fields[name], bool) else str(fields[name])
        lines[number] = row[: at + quote] + new + row[at + quote + len(node.raw) :]
    return "".join(lines)


def refuse_twice(outs: Mapping[str, DvcOut], out: DvcOut) -> None:
    """Raise DvcMalformed when two files describe one path, or one that lies inside another."""
    for known in outs.values():
        if known.path == out.path or known.path.startswith(f"{out.path}/") or out.path.startswith(f"{known.path}/"):
            what = f"{out.path} and {known.path} are described by two files and overlap"
            raise DvcMalformed(what, where=out.where, mend="remove one of the two")

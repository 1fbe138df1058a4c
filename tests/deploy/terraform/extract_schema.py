"""The schema of the AWS provider, of the types that our modules use, out of a wheel that carries it as generated JavaScript.

Run it with a new wheel or a new type: `python extract_schema.py WHEEL > aws_schema.json`. What it reads are facts: names,
types, what is required, optional or computed, which nested blocks there are. What no wheel has: limits, enumerations, patterns.
"""

from __future__ import annotations

import io
import json
import re
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

TERRAFORM = Path(__file__).parents[3] / "src" / "shipway" / "deploy" / "terraform"
_USED = re.compile(r'^(resource|data) "(aws_[a-z0-9_]+)"', re.MULTILINE)
_FUNCTION = re.compile(r"^function (\w+)ToHclTerraform\(struct\) \{(.*?)^\}", re.MULTILINE | re.DOTALL)
_CLASS = re.compile(r"^class (\w+) extends cdktf\.\w+ \{(.*?)^\}", re.MULTILINE | re.DOTALL)
_ENTRY = re.compile(
    r'^ {8,12}(\w+): \{\s+value: (.*?),\s+isBlock: (true|false),\s+type: "(\w+)",\s+storageClassType: "(\w+)",', re.MULTILINE
)
_PROPERTY = re.compile(r"(?:struct\.|this\._)(\w+)")
_GETTER = re.compile(r"get \w+\(\) \{\s+return (.*?);\s+\}", re.DOTALL)
_CALL = re.compile(
    r"this\.get(String|Number|Boolean|List|NumberList|StringMap|BooleanMap|NumberMap|AnyMap)Attribute\('(\w+)'\)"
)
_MEMBER = re.compile(r"new (\w+?)(List|Map|OutputReference)\(this, ['\"](\w+)['\"]")
_KINDS = {"DataSource": "data", "Resource": "resource", "Provider": "provider"}
_SIMPLE = {"string": "string", "number": "number", "boolean": "bool"}
_LISTS = {"List": ["list", "string"], "NumberList": ["list", "number"], "StringMap": ["map", "string"]}
_MAPS = {"BooleanMap": ["map", "bool"], "NumberMap": ["map", "number"], "AnyMap": ["map", "string"]}
_READ: dict[str, Any] = {"String": "string", "Number": "number", "Boolean": "bool", **_LISTS, **_MAPS}


class Source(NamedTuple):
    """One generated module: bodies of its functions by the name of their type, bodies of its classes by name."""

    functions: dict[str, str]
    classes: dict[str, str]


def used_types() -> list[str]:
    """What the modules use: `resource aws_x`, `data aws_y`."""
    text = "\n".join(path.read_text() for path in sorted(TERRAFORM.rglob("*.tf")))
    return sorted({"provider aws", *(f"{kind} {name}" for kind, name in _USED.findall(text))})


def extract(wheel: Path, wanted: list[str]) -> dict[str, Any]:
    """The schema of each wanted type, in the form of `terraform providers schema -json`, without what is false."""
    found: dict[str, Any] = {}
    for text in _modules(wheel):
        named = re.search(r'\.tfResourceType = "(\w+)"', text)
        base = re.search(r"extends cdktf\.Terraform(DataSource|Resource|Provider) ", text)
        if named and base and (name := f"{_KINDS[base[1]]} {named[1]}") in wanted:
            found[name] = _schema(text)
    missing = sorted(set(wanted) - set(found))
    if missing:
        raise SystemExit(f"the wheel has no {', '.join(missing)}")
    return dict(sorted(found.items()))


def _modules(wheel: Path) -> Iterator[str]:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".jsii.tgz") and "/_jsii/" in name]
        with tarfile.open(fileobj=io.BytesIO(archive.read(name)), mode="r|gz") as files:
            for member in files:
                if re.fullmatch(r"package/lib/[^/]+/index\.js", member.name):
                    stream = files.extractfile(member)
                    assert stream is not None
                    yield stream.read().decode()


def _schema(text: str) -> dict[str, Any]:
    source = Source({_upper(n): body for n, body in _FUNCTION.findall(text)}, dict(_CLASS.findall(text)))
    (body,) = [body for body in source.classes.values() if "synthesizeHclAttributes" in body]
    _, _, written = body.partition("synthesizeHclAttributes")
    return _block(source, written, body)


def _block(source: Source, written: str, body: str) -> dict[str, Any]:
    """written: the entries that a configuration may have; body: the class, with what can be read and its flags."""
    attributes: dict[str, Any] = {}
    blocks: dict[str, Any] = {}
    for name, value, is_block, kind, storage in _ENTRY.findall(written):
        (field,) = set(_PROPERTY.findall(value))
        optional = f"reset{_upper(field)}() {{" in body  # what is required cannot be reset
        nested = re.search(r"(\w+?)ToHclTerraform(?:, |\()", value.replace("cdktf.listMapperHcl(", ""))
        inner = _upper(nested[1]) if nested and not nested[1].startswith(("string", "number", "boolean", "any")) else None
        if is_block == "true" and inner in source.functions:
            block: dict[str, Any] = {"nesting": "single" if kind == "struct" else kind, "block": _inner(source, inner)}
            if kind != "struct" and "listMapper" not in value:
                block["max"] = 1
            if not optional:
                block["min"] = 1
            blocks[name] = block
        else:
            attributes[name] = {"type": _type(source, kind, storage, inner), "optional" if optional else "required": True}
    for name, computed in _computed(source, body):
        if name not in attributes and name not in blocks:
            attributes[name] = {"type": computed, "computed": True}
    return {key: dict(sorted(given.items())) for key, given in (("attributes", attributes), ("blocks", blocks)) if given}


def _inner(source: Source, name: str) -> dict[str, Any]:
    return _block(source, source.functions[name], source.classes.get(f"{name}OutputReference", ""))


def _type(source: Source, kind: str, storage: str, inner: str | None) -> Any:
    if inner:
        fields = {name: given["type"] for name, given in _inner(source, inner).get("attributes", {}).items()}
        return ["object", fields] if kind == "struct" else [kind, ["object", fields]]
    element = _SIMPLE.get(re.sub(r"(List|Map)+$", "", storage), "string")
    if kind == "simple":
        return element
    return [kind, ["list", element]] if storage.endswith("ListList") else [kind, element]


def _computed(source: Source, body: str) -> Iterator[tuple[str, Any]]:
    for expression in _GETTER.findall(body):
        call = _CALL.search(expression)
        if call:
            as_set = "cdktf.Fn.tolist" in expression
            read = _READ[call[1]]
            yield call[2], ["set", read[1]] if as_set and isinstance(read, list) else read
    for inner, shape, name in _MEMBER.findall(body):
        fields = dict(_computed(source, source.classes.get(f"{inner}OutputReference", "")))
        yield (
            name,
            ["object", fields] if shape == "OutputReference" else ["map" if shape == "Map" else "list", ["object", fields]],
        )


def _upper(name: str) -> str:
    return name[:1].upper() + name[1:]


if __name__ == "__main__":
    schema = extract(Path(sys.argv[1]), used_types())
    sys.stdout.write("{\n" + ",\n".join(f"{json.dumps(name)}: {json.dumps(given)}" for name, given in schema.items()) + "\n}\n")

"""The forms of names, refs and paths that a spec may write."""

from __future__ import annotations

import re
import unicodedata
from keyword import iskeyword
from pathlib import PurePosixPath

from shipway.spec._fields import text
from shipway.spec._node import Node, shown

_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_COMPONENT = re.compile(r"(data|model|prompt|index)/([a-z][a-z0-9_-]*)(@[a-z][a-z0-9_-]*)?")
_DEPLOY = re.compile(r"deploy/([a-z][a-z0-9_-]*@[a-z][a-z0-9_-]*)")
REF_FORMS = "deploy/APP@ENVIRONMENT, data/NAME, model/NAME, prompt/NAME, index/NAME or policy/main"


def legal_form(name: str) -> str | None:
    """The legal name nearest to this text, or None when nothing of it is left.

    >>> legal_form("Café Orders!"), legal_form("2013")
    ('cafe-orders', None)
    """
    plain = unicodedata.normalize("NFKD", name[:200]).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9_]+", "-", plain).strip("-_").lstrip("0123456789-_") or None


def name_of(node: Node, what: str) -> str:
    """A name such as `delay`: a small letter, then small letters, digits, _ and -."""
    if isinstance(node.value, list | dict):
        raise node.fail(f"{what} is a name, not {node.shown()}")
    if not _NAME.fullmatch(node.raw):
        near = legal_form(node.raw)
        rule = "a small letter, then small letters, digits, _ and -"
        raise node.fail(f"{shown(node.raw)} is not a name for {what}", mend=f"{rule}: `{near}`" if near else rule)
    return node.raw


def step_name(node: Node, what: str) -> str:
    """A name that Python takes for a function or an argument."""
    if isinstance(node.value, list | dict) or not node.raw.isidentifier() or iskeyword(node.raw):
        raise node.fail(f"{what} is named as in Python, not {node.shown()}", mend="letters, digits, _: `train_set`")
    return node.raw


def component_ref(node: Node, what: str) -> str:
    """A ref that a release takes, such as `index/docs` or `model/delay@champion`."""
    if not _COMPONENT.fullmatch(text(node, what)):
        raise node.fail(f"{node.shown()} is no ref for {what}", mend="data/NAME, model/NAME, prompt/NAME or index/NAME")
    return node.raw


def policy_ref(key: Node) -> tuple[str, str]:
    """Kind and declared name of a ref that a policy may guard: ("deploy", "delay@prod"), ("data", "flights")."""
    if key.raw == "policy/main":
        return "policy", "main"
    if match := _DEPLOY.fullmatch(key.raw):
        return "deploy", match[1]
    if match := _COMPONENT.fullmatch(key.raw):
        return match[1], match[2]
    raise key.fail(f"{shown(key.raw)} is not a ref", mend=REF_FORMS)


def inside_path(node: Node, what: str) -> str:
    """A path below the project's folder, as written; what a release carries has to lie there."""
    path = text(node, what)
    parts = PurePosixPath(path).parts
    if path.startswith(("/", "~")) or "\\" in path or ".." in parts or re.match(r"[A-Za-z]:", path):
        raise node.fail(f"{what} lies outside the project: {node.shown()}", mend="a relative path with `/` and no `..`")
    return path

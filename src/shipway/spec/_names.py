"""The forms of names, refs and paths that a spec may write."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from functools import lru_cache
from ipaddress import ip_address
from keyword import iskeyword
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from shipway.spec._fields import meant, text, texts
from shipway.spec._node import Node, shown

_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_COMPONENT = re.compile(r"(data|model|prompt|index)/([a-z][a-z0-9_-]*)(@[a-z][a-z0-9_-]*)?")
_DEPLOY = re.compile(r"deploy/([a-z*][a-z0-9_*-]*@[a-z*][a-z0-9_*-]*)")
_GUARDED = re.compile(r"(data|model|prompt|index)/([a-z*][a-z0-9_*-]*)(@[a-z*][a-z0-9_*-]*)?")
_SECRET = re.compile(r"secret://env/[A-Za-z_][A-Za-z0-9_]*")
_HOST = re.compile(r"[A-Za-z0-9._:-]+")
REF_FORMS = "deploy/APP@ENVIRONMENT, data/NAME, model/NAME, prompt/NAME, index/NAME or policy/main; `*` stands for any name"


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
    """Kind and declared name of what a policy may guard, either may be a pattern: ("deploy", "*@prod"), ("data", "flights")."""
    if key.raw == "policy/main":
        return "policy", "main"
    if match := _DEPLOY.fullmatch(key.raw):
        return "deploy", match[1]
    if match := _GUARDED.fullmatch(key.raw):
        return match[1], match[2]
    raise key.fail(f"{shown(key.raw)} is not a ref", mend=REF_FORMS)


def is_pattern(ref: str) -> bool:
    """Whether it may stand for several refs."""
    return "*" in ref


def matches(pattern: str, ref: str) -> bool:
    """Whether a policy's ref or pattern is about this ref; `*` stands for any part of a name, and `@approved` for no label.

    >>> matches("deploy/*@prod", "deploy/delay@prod"), matches("deploy/delay@*", "deploy/other@prod")
    (True, False)
    >>> matches("model/*", "model/delay@champion"), matches("data/flights@approved", "data/flights")
    (True, True)
    >>> matches("model/*@*", "model/delay"), matches("model/*@approved", "model/delay@champion")
    (True, False)
    """
    if "@" in pattern and not ref.startswith("deploy/"):  # with a label it is about refs of such labels alone
        return _fits(pattern, ref if "@" in ref else f"{ref}@approved")
    return _fits(pattern, ref if ref.startswith("deploy/") else ref.removesuffix("@approved"))


def _fits(pattern: str, ref: str) -> bool:
    return pattern == ref or ("*" in pattern and _regex(pattern).fullmatch(ref) is not None)


@lru_cache(maxsize=256)
def _regex(pattern: str) -> re.Pattern[str]:
    return re.compile("[^/]*".join(map(re.escape, pattern.split("*"))))


def inside_path(node: Node, what: str) -> str:
    """A path below the project's folder, as written; what a release carries has to lie there."""
    path = text(node, what)
    parts = PurePosixPath(path).parts
    if path.startswith(("/", "~")) or "\\" in path or ".." in parts or re.match(r"[A-Za-z]:", path):
        raise node.fail(f"{what} lies outside the project: {node.shown()}", mend="a relative path with `/` and no `..`")
    return path


def declared(node: Node, what: str, known: Collection[str]) -> str:
    """A name that another section of the spec declares."""
    name = text(node, what)
    if name not in known:
        raise node.fail(
            f"the spec has no {what} {shown(name)}", mend=meant(name, list(known)) if known else f"declare the {what}"
        )
    return name


def groups_of(node: Node, what: str) -> tuple[str, ...]:
    """The groups that somebody is in, in one order; no list is no group."""
    found = texts(node, f"groups of {what}")
    if not found:
        raise node.fail(f"{what} names no group", mend="as in [staff]; without the line it sees what everybody may see")
    return tuple(sorted(found))


def secret_ref(node: Node, what: str) -> str:
    """`secret://env/NAME`; anything else is not repeated, for it may be the secret."""
    if not isinstance(node.value, str) or not _SECRET.fullmatch(node.value):
        mend = "secret://env/NAME, and the key itself in the environment variable NAME"
        raise node.fail(f"{what} is written into the spec, which everybody reads: it has to be a reference", mend=mend)
    return node.value


def provider_url(node: Node, what: str) -> str:
    """The base of an API: https, or http on this machine; no user, query or fragment, where keys could stand."""
    url = node.value if isinstance(node.value, str) else ""
    scheme, host = _scheme_and_host(url)
    if scheme not in ("http", "https") or not host:
        mend = "as in https://api.openai.com/v1, with no user, `?` or `#`; a key stands under `key`"
        raise node.fail(f"{what} is no address of an API", mend=mend)
    if scheme == "http" and not _is_loopback(host):
        what = f"{what} is http, which anybody on the way to {host[:100]} can read"
        raise node.fail(what, mend="https://, or http:// on localhost or 127.0.0.1")
    return url.rstrip("/")


def _scheme_and_host(url: str) -> tuple[str, str]:
    """Empty when the url has other parts than scheme, host, port and path, or cannot be read."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port  # reading a port that is none raises
    except ValueError:
        return "", ""
    odd = "@" in parts.netloc or parts.query or parts.fragment or re.search(r"[\s\\?#\x00-\x1f\x7f]", url)
    return ("", "") if odd or not _HOST.fullmatch(host) else (parts.scheme, host)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False

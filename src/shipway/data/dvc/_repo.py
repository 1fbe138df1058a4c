"""A DVC repository as its files tell it: configuration, cache, remotes, which paths it tracks. Nothing of DVC runs."""

from __future__ import annotations

import configparser
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from shipway.data.dvc._errors import DvcMalformed, DvcMissing, DvcUnsupported
from shipway.data.dvc._files import DvcOut, parse_dvc_file, refuse_twice
from shipway.store import Foreign

_PASSED = {".git", ".dvc", ".shipway", ".hg", ".venv", "node_modules"}
_LIMIT = 20_000_000  # bytes of a .dvc file, far above any that a person keeps
_BUCKETS = {"s3": "s3", "gs": "gs", "gcs": "gs", "azure": "az", "az": "az"}
_HOSTS = ("ssh", "webdav", "webdavs", "hdfs")


@dataclass(frozen=True, slots=True)
class DvcRepo:
    """root: the folder with `.dvc`; cache: where its objects are; remotes: their settings by name; remote: the default one."""

    root: Path
    cache: Path
    remotes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    remote: str | None = None

    def outs(self) -> tuple[DvcOut, ...]:
        """What `.dvc` files describe, in the order of their paths. Raises DvcMalformed, DvcUnsupported."""
        found: dict[str, DvcOut] = {}
        for path in sorted(_dvc_files(self.root)):
            name = path.relative_to(self.root).as_posix()
            for out in parse_dvc_file(read_text(path, name), name):
                refuse_twice(found, out)
                found[out.path] = out
        return tuple(found.values())

    def objects(self, md5: str, *, folder: bool, legacy: bool) -> tuple[Path, ...]:
        """Where DVC may keep these bytes, the likelier place first."""
        return tuple(self.cache / key for key in object_keys(md5, folder=folder, legacy=legacy))

    def open_remote(self, name: str | None = None) -> Foreign | None:
        """A remote by name or URL, the default one without; None when there is none. Raises DvcMissing, DvcUnsupported."""
        name = name or self.remote
        if name is None:
            return None
        if "://" in name or "/" in name:
            return _open({"url": name}, self.root)
        if name not in self.remotes:
            known = ", ".join(self.remotes) or "none"
            raise DvcMissing(
                f"the repository has no remote {name}", where=str(self.root / ".dvc/config"), mend=f"one of: {known}"
            )
        return _open(self.remotes[name], self.root / ".dvc")


def object_keys(md5: str, *, folder: bool, legacy: bool) -> tuple[str, ...]:
    """Below a cache or a remote: `files/md5/<2>/<30>`; before DVC 3 without the first two names."""
    name = f"{md5[:2]}/{md5[2:]}{'.dir' if folder else ''}"
    return (name, f"files/md5/{name}") if legacy else (f"files/md5/{name}",)


def open_dvc(folder: Path) -> DvcRepo:
    """The repository that this folder is in. Raises DvcMissing, DvcMalformed."""
    folder = folder.absolute()
    root = next((place for place in (folder, *folder.parents) if (place / ".dvc").is_dir()), None)
    if root is None:
        raise DvcMissing(f"no DVC repository in {folder.name} or above: there is no .dvc", where=str(folder), mend="dvc init")
    sections: dict[str, dict[str, str]] = {}
    for name in ("config", "config.local"):
        for section, values in _read_config(root / ".dvc" / name).items():
            sections.setdefault(section, {}).update(values)
    cache = Path(os.path.expanduser(sections.get("cache", {}).get("dir", "cache")))
    remotes = {
        section[len("remote ") :].strip('"'): values for section, values in sections.items() if section.startswith('remote "')
    }
    default = sections.get("core", {}).get("remote")
    return DvcRepo(root, root / ".dvc" / cache, remotes, default or (next(iter(remotes)) if len(remotes) == 1 else None))


def make_dvc(folder: Path) -> DvcRepo:
    """The repository that this folder is in, made here when there is none, as `dvc init` does."""
    try:
        return open_dvc(folder)
    except DvcMissing:
        home = folder.absolute() / ".dvc"
        home.mkdir()
        in_git = any((place / ".git").exists() for place in (home.parent, *home.parents))
        (home / "config").write_text("" if in_git else "[core]\n    no_scm = True\n")
        (home / ".gitignore").write_text("/config.local\n/tmp\n/cache\n")
        ignore = home.parent / ".dvcignore"
        if not ignore.exists():
            ignore.write_text("")
        return open_dvc(folder)


def read_text(path: Path, name: str) -> str:
    """A text file of the repository. Raises DvcMalformed."""
    try:
        with path.open("rb") as file:
            data = file.read(_LIMIT + 1)
    except OSError as problem:
        raise DvcMalformed(f"cannot read {name}: {problem.strerror}", where=str(path)) from problem
    if len(data) > _LIMIT:
        raise DvcMalformed(f"{name} is larger than {_LIMIT:,} bytes", where=str(path))
    try:
        return data.decode()
    except UnicodeDecodeError as problem:
        raise DvcMalformed(f"{name} is no text in UTF-8", where=str(path), mend="git checkout -- the file") from problem


def _dvc_files(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in _PASSED and not (Path(place) / name / ".dvc").is_dir()]
        for name in files:
            if name.endswith(".dvc") and name != ".dvc":
                yield Path(place) / name


def _read_config(path: Path) -> dict[str, dict[str, str]]:
    if not path.is_file():
        return {}
    parser = configparser.ConfigParser(interpolation=None, strict=False, comment_prefixes=("#",))
    try:
        parser.read_string(read_text(path, f".dvc/{path.name}"))
    except configparser.Error as problem:
        what = f".dvc/{path.name} is no configuration: {str(problem).splitlines()[0]}"
        raise DvcMalformed(what, where=str(path), mend="git checkout -- the file") from problem
    return {section.strip("'"): dict(parser.items(section)) for section in parser.sections()}


def _open(settings: Mapping[str, str], base: Path) -> Foreign:
    url = settings.get("url", "")
    scheme = urlsplit(url).scheme if "://" in url else ""
    if settings.get("version_aware", "").lower() == "true" or settings.get("worktree", "").lower() == "true":
        raise DvcUnsupported(
            "a remote that keeps versions by itself is not read",
            where=urlsplit(url).hostname or url,
            mend="dvc pull, then import again",
        )
    if scheme == "file" or not scheme:
        place = Path(os.path.expanduser(url.removeprefix("file://")))
        if not url:
            raise DvcMalformed("a remote has no url", where=str(base), mend="dvc remote modify NAME url URL")
        return Foreign(Path(os.path.normpath(base / place)), {})
    if scheme in _HOSTS:
        return Foreign(_host(url, settings), {})
    if scheme not in _BUCKETS:
        mend = "s3, gs, azure, ssh, webdav, hdfs or a folder; else dvc pull, then import again"
        raise DvcUnsupported(f"a remote by {scheme} is not read", where=urlsplit(url).hostname or scheme, mend=mend)
    variables = {}
    if endpoint := settings.get("endpointurl"):
        variables["AWS_ENDPOINT_URL_S3"] = endpoint
    return Foreign(_BUCKETS[scheme] + url[len(scheme) :], variables)


def _host(url: str, settings: Mapping[str, str]) -> str:
    """The address with the user and the port that stand beside it."""
    parts = urlsplit(url)
    user, port = (
        parts.username or settings.get("user"),
        parts.netloc.rpartition("@")[2].partition(":")[2] or settings.get("port"),
    )
    place = parts.netloc.rpartition("@")[2].partition(":")[0]
    return f"{parts.scheme}://{f'{user}@' if user else ''}{place}{f':{port}' if port else ''}{parts.path}"

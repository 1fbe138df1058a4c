"""Bytes by key in an object store (S3, GCS, Azure): a bounded number of tries, whole objects only, our own errors.

The library is obstore, imported when the first store of this kind is opened. Credentials are the environment's, which it reads
itself; no address holds any.
"""

from __future__ import annotations

import ipaddress
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol
from urllib.parse import urlsplit

from shipway.store._bucket_faults import fault_of, is_missing, is_no_range
from shipway.store._types import ObjectsAddress

if TYPE_CHECKING:
    from obstore import GetResult, UpdateVersion
    from obstore.store import AzureConfig, ClientConfig, GCSConfig, ObjectStore, RetryConfig, S3Config

    from shipway.store._bucket_parts import Parts

VARIABLE = "SHIPWAY_OBJECTS"
RETRIES = 4
_PART = 8 << 20  # bytes of a part of a large upload; at most _AT_ONCE of them are in memory
_AT_ONCE = 4
_CONTINUED = 4 * _PART  # bytes from which an upload is worth being continued: so much is on its way at any moment
_PARTS = 9_000  # an upload may have 10,000
_CHUNK = 1 << 20
_PREFIXES = {"s3": ("AWS_",), "gs": ("GOOGLE_",), "az": ("AZURE_",)}  # of the variables that obstore reads
_ENDPOINTS = {"s3": "AWS_ENDPOINT_URL", "gs": "GOOGLE_BASE_URL", "az": "AZURE_STORAGE_ENDPOINT"}  # for errors
_SECONDS = "60s"  # of a server that says nothing
_NAME = r"[A-Za-z0-9][A-Za-z0-9!_.:=-]*"
_ADDRESS = re.compile(rf"(s3|gs|az)://([a-z0-9][a-z0-9._-]{{1,220}})((?:/{_NAME})*)/?")


class Found(NamedTuple):
    """What stands under a key. size: in bytes; tag: changes whenever the bytes do, None where the server tells none.

    changed: seconds of the Unix epoch when it was put, of a listing; else 0.
    """

    key: str
    size: int
    tag: str | None
    changed: float = 0.0


class Content(NamedTuple):
    """An object while it is read, once."""

    found: Found
    chunks: Iterator[bytes]


class Version(NamedTuple):
    """Which bytes stand under a key, as the server tells them apart: by tag (S3, Azure) or by number (GCS)."""

    tag: str | None
    number: str | None


class Keyed(Protocol):
    """Bytes by key below one address, as Bucket has them. put replaces or refuses as a whole; nobody sees half of it."""

    where: str
    variables: tuple[str, ...]

    def look(self, key: str) -> Found | None: ...
    def read(self, key: str, start: int = 0) -> Content | None: ...
    def put(
        self, key: str, data: bytes | Path, *, replace: bool, report: Callable[[int], None] | None = None
    ) -> Found | None: ...
    def read_version(self, key: str) -> tuple[bytes, Version] | None: ...
    def put_if(self, key: str, data: bytes, was: Version | None) -> bool: ...
    def list(self, prefix: str) -> Iterator[Found]: ...


class Bucket:
    """Everything below one address, `s3://bucket/prefix`. For use by several threads. Raises ObjectsAddress."""

    def __init__(self, url: str, environ: Mapping[str, str] = os.environ) -> None:
        self.where = parse_address(url)
        self.variables = tuple(sorted(name for name in environ if name.startswith(_PREFIXES[self.where[:2]])))
        self._made, self._environ = _open(self.where, environ), environ
        self._parts: Parts | Literal[False] | None = None  # None: not looked yet
        self._there, self._opening = False, threading.Lock()

    def look(self, key: str) -> Found | None:
        """Whether there is an object, without its bytes. Raises ObjectsDown, ObjectsRefused, as all of these."""
        with self._told(key):
            try:
                meta = self._made.head(key)
            except FileNotFoundError as problem:
                self._missing(problem)
                return None
        return Found(key, meta["size"], meta["e_tag"])

    def read(self, key: str, start: int = 0) -> Content | None:
        """An object from a place on, in chunks; None when there is none. Its size is that of the whole."""
        with self._told(key):
            try:
                got, before = self._get(key, start)
            except FileNotFoundError as problem:
                self._missing(problem)
                return None
        chunks = self._chunks(key, iter(got.stream(min_chunk_size=_CHUNK)))
        return Content(Found(key, got.meta["size"], got.meta["e_tag"]), _without(chunks, before) if before else chunks)

    def _get(self, key: str, start: int) -> tuple[GetResult, int]:
        """What the server answers, and how many bytes of it are before the place that was asked for."""
        if start:
            try:
                return self._made.get(key, options={"range": {"offset": start}}), 0
            except Exception as problem:
                if not is_no_range(problem):
                    raise
        return self._made.get(key), start

    def put(self, key: str, data: bytes | Path, *, replace: bool, report: Callable[[int], None] | None = None) -> Found | None:
        """Put an object as a whole; None when there was one already and it was not to be replaced.

        A large one goes in parts, and replaces what is there; a large file on S3 goes on after the parts that came before,
        and is reported part by part.
        """
        from obstore.exceptions import AlreadyExistsError

        size = data.stat().st_size if isinstance(data, Path) else len(data)
        part = max(_PART, size // _PARTS + 1)
        with self._told(key):
            if isinstance(data, Path) and size > _CONTINUED and (parts := self._open_parts()):
                return Found(key, size, parts.put(key, data, size=size, part=part, report=report))
            if size > _PART:
                done = self._made.put(key, data, chunk_size=part, max_concurrency=_AT_ONCE, use_multipart=True)
            else:
                try:
                    done = self._made.put(key, data, mode="overwrite" if replace else "create", use_multipart=False)
                except AlreadyExistsError:
                    return None
        return Found(key, size, done["e_tag"])

    def read_version(self, key: str) -> tuple[bytes, Version] | None:
        """A small object and its version; None when there is none."""
        with self._told(key):
            try:
                got = self._made.get(key)
            except FileNotFoundError as problem:
                self._missing(problem)
                return None
            return bytes(got.bytes()), Version(got.meta["e_tag"], got.meta["version"])

    def put_if(self, key: str, data: bytes, was: Version | None) -> bool:
        """Put a small object while what stands there is still what it was (None: nothing); whether it was."""
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        with self._told(key):
            try:
                if was is None:
                    self._made.put(key, data, mode="create", use_multipart=False)
                else:
                    there: UpdateVersion = {}
                    if was.tag is not None:
                        there["e_tag"] = was.tag
                    if was.number is not None:
                        there["version"] = was.number
                    self._made.put(key, data, mode=there, use_multipart=False)
            except (AlreadyExistsError, PreconditionError):
                return False
        return True

    def list(self, prefix: str) -> Iterator[Found]:
        """What stands below a prefix that ends where a name ends."""
        with self._told(prefix):
            for page in self._made.list(prefix, chunk_size=1000):
                for meta in page:
                    yield Found(meta["path"], meta["size"], meta["e_tag"], meta["last_modified"].timestamp())

    def remove(self, key: str) -> None:
        """No error when it was not there."""
        with self._told(key):
            try:
                self._made.delete(key)
            except FileNotFoundError as problem:
                self._missing(problem)

    def check(self) -> None:
        """Whether the bucket is there and may be listed. Raises ObjectsRefused, ObjectsDown."""
        with self._told(""):
            next(iter(self._made.list(chunk_size=1)), None)
        self._there = True

    def _open_parts(self) -> Parts | None:
        from shipway.store._bucket_parts import open_parts

        with self._opening:  # once, which takes a second, for all threads
            if self._parts is None and self.where.startswith("s3://"):
                endpoint = _endpoint(self._environ)
                found = open_parts(self.where, self._environ, endpoint=endpoint, retries=RETRIES, seconds=int(_SECONDS[:-1]))
                self._parts = found or False
        return self._parts or None

    def _missing(self, problem: Exception) -> None:
        """Of a question without an answer's body nobody says whether the object is missing or the bucket: ask once."""
        if not is_missing(problem):
            raise problem
        if not self._there:
            self.check()

    def _chunks(self, key: str, stream: Iterator[bytes]) -> Iterator[bytes]:
        with self._told(key):
            yield from stream

    @contextmanager
    def _told(self, key: str) -> Iterator[None]:
        try:
            yield
        except Exception as problem:
            fault = fault_of(problem, where=f"{self.where}/{key}" if key else self.where)
            if fault:
                raise fault from problem
            raise


def _without(chunks: Iterator[bytes], before: int) -> Iterator[bytes]:
    for chunk in chunks:
        yield chunk[before:]
        before = max(0, before - len(chunk))


def upload(address: str, data: bytes | Path, environ: Mapping[str, str] = os.environ) -> None:
    """Put one document, or a file, at an address, whatever is there. Raises ObjectsAddress, ObjectsDown, ObjectsRefused."""
    bucket, name = _named(address, environ)
    bucket.put(name, data, replace=True)


def stands_in_bucket(address: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether there is an object at an address. Raises as upload."""
    bucket, name = _named(address, environ)
    return bucket.look(name) is not None


def _named(address: str, environ: Mapping[str, str]) -> tuple[Bucket, str]:
    folder, _, name = address.rpartition("/")
    if not re.fullmatch(_NAME, name):
        raise ObjectsAddress("the address names no object", mend="write it as s3://BUCKET/KEY")
    return Bucket(folder, environ), name


def is_bucket(url: str) -> bool:
    """Whether an address is for obstore: of its kinds, or of none, and then it is a bucket's, misspelt."""
    return "://" not in url or url.startswith(tuple(f"{kind}://" for kind in _PREFIXES))


def parse_address(url: str) -> str:
    """The address as it is compared and shown, without a slash at its end. Raises ObjectsAddress, which never repeats it.

    >>> parse_address("s3://acme-ml/shipway/")
    's3://acme-ml/shipway'
    """
    match = _ADDRESS.fullmatch(url)
    if match is None:
        mend = f"{VARIABLE} is s3://BUCKET/PREFIX (or gs://, az://), without credentials: those are in AWS_* variables"
        raise ObjectsAddress("the address of the objects is none that can be used", mend=mend)
    return url.rstrip("/")


def _open(url: str, environ: Mapping[str, str]) -> ObjectStore:
    try:
        from obstore.store import from_url
    except ImportError:
        raise ObjectsAddress("objects in a bucket need obstore", where=url, mend='pip install "shipway[objects]"') from None
    retries: RetryConfig = {
        "max_retries": RETRIES,
        "retry_timeout": timedelta(minutes=1),
        "backoff": {"init_backoff": timedelta(milliseconds=200), "max_backoff": timedelta(seconds=5), "base": 2},
    }
    client: ClientConfig = {"connect_timeout": "5s", "read_timeout": _SECONDS, "timeout": "1h", "allow_http": False}
    endpoint = _endpoint(environ, url[:2])
    if endpoint:
        client["allow_http"] = _may_be_plain(endpoint, _ENDPOINTS[url[:2]])
    if url.startswith("gs://"):
        google: GCSConfig = {"base_url": endpoint} if endpoint else {}
        return from_url(url, config=google, client_options=client, retry_config=retries)
    if url.startswith("az://"):
        azure: AzureConfig = {"endpoint": endpoint} if endpoint else {}
        return from_url(url, config=azure, client_options=client, retry_config=retries)
    config: S3Config = {"checksum_algorithm": "sha256"}  # the server compares what arrives with it
    if endpoint:
        config["endpoint"] = endpoint
    return from_url(url, config=config, client_options=client, retry_config=retries)


def _endpoint(environ: Mapping[str, str], scheme: str = "s3") -> str | None:
    """Of a server that is not the cloud's own."""
    if scheme == "az":
        named = environ.get("AZURE_ENDPOINT") or environ.get("AZURE_STORAGE_ENDPOINT")
    elif scheme == "gs":
        named = environ.get("GOOGLE_BASE_URL")
    else:
        named = environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL")
    return named.rstrip("/") if named else None


def _may_be_plain(endpoint: str, variable: str = "AWS_ENDPOINT_URL") -> bool:
    """Whether an endpoint is on this machine. Raises ObjectsAddress for one that is neither that nor https."""
    parts = urlsplit(endpoint)
    host = parts.hostname or ""
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if parts.scheme not in ("http", "https") or not host or "@" in parts.netloc:
        raise ObjectsAddress(f"{variable} is no address", mend="write it as https://HOST[:PORT]")
    if parts.scheme == "http" and not loopback:
        mend = "use https; plain http is for a server on this machine alone"
        raise ObjectsAddress(f"{variable} would send objects over a network unencrypted", where=host, mend=mend)
    return loopback

"""A bucket of S3 that others write, with the version of each object: listed, and read as it was. Never written.

The library is botocore, as obstore's listings tell no versions and refuse keys that are no paths. Credentials are those of
botocore's own chain; no address holds any.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from shipway.kernel.errors import ShipwayError
from shipway.store._bucket import RETRIES, _may_be_plain
from shipway.store._types import ObjectsAddress, ObjectsDown, ObjectsRefused

if TYPE_CHECKING:
    from botocore.client import BaseClient

_ADDRESS = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])((?:/[^/?#\x00-\x1f\x7f]+)*)/?")
_GONE = ("NoSuchKey", "NoSuchVersion", "404", "PreconditionFailed", "412", "MethodNotAllowed", "405")
_ELSEWHERE = ("PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "301")
_REFUSED = ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "401", "403",
            "AllAccessDisabled")  # fmt: skip
_CANNOT = ("NotImplemented", "MethodNotAllowed", "501", "405")
_CHUNK = 1 << 20
_THREADS = 16


class KeyVersion(NamedTuple):
    """One object. tag: its ETag, which changes with the bytes; version: its id, None where the bucket keeps no versions."""

    key: str
    size: int
    tag: str
    version: str | None


class VersionedBucket:
    """Everything below `s3://BUCKET/PREFIX`, or the one object of that key. For use by several threads.

    Raises ObjectsAddress, and from every method ObjectsRefused, ObjectsDown.
    """

    def __init__(self, url: str, environ: Mapping[str, str] = os.environ) -> None:
        match = _ADDRESS.fullmatch(url)
        if match is None or {".", ".."} & set(match[2].split("/")):
            raise ObjectsAddress("the address is none of a bucket", mend="write it as s3://BUCKET/PREFIX, without credentials")
        self.where, self.bucket, self.prefix = url.rstrip("/"), match[1], match[2].strip("/")
        self._client, self._session = _client(self.where, environ)
        self._endpoint = environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL")

    def list(self) -> list[KeyVersion]:
        """As it is now, in the order of the keys, which are whole ones."""
        with self._told():
            versioned = self._is_versioned()
            below = f"{self.prefix}/" if self.prefix else ""
            found = list(self._list(below, versioned=versioned))
            if not found and self.prefix:
                found = [one for one in self._list(self.prefix, versioned=versioned) if one.key == self.prefix]
        return sorted(found)

    def now(self, key: str) -> KeyVersion | None:
        """What stands under a key; None when there is nothing."""
        from botocore.exceptions import ClientError

        with self._told(key):
            try:
                head = self._client.head_object(Bucket=self.bucket, Key=key)
            except ClientError as problem:
                if _code(problem) in _GONE:
                    return None
                raise
        return KeyVersion(key, int(head["ContentLength"]), str(head["ETag"]), _version(head.get("VersionId")))

    def read(self, key: str, *, version: str | None, tag: str | None) -> Iterator[bytes] | None:
        """The bytes of one version, or where there is none those of this tag; None when they are not there any more."""
        from botocore.exceptions import ClientError

        asked = {"VersionId": version} if version else {"IfMatch": tag} if tag else {}
        with self._told(key):
            try:
                got = self._client.get_object(Bucket=self.bucket, Key=key, **asked)
            except ClientError as problem:
                if _code(problem) in _GONE or (version and _status(problem) == 400):
                    return None
                raise
        return self._chunks(key, got["Body"])

    def scan_options(self) -> dict[str, str]:
        """What a library that reads this bucket by itself has to be told: holds secrets, and is shown nowhere."""
        found = {"aws_region": self._client.meta.region_name}
        if self._endpoint:
            found["aws_endpoint_url"] = self._endpoint.rstrip("/")
            found["aws_allow_http"] = str(_may_be_plain(self._endpoint)).lower()
        credentials = self._session.get_credentials()
        if credentials is None:
            return {**found, "aws_skip_signature": "true"}
        frozen = credentials.get_frozen_credentials()
        found |= {"aws_access_key_id": frozen.access_key, "aws_secret_access_key": frozen.secret_key}
        return {**found, "aws_session_token": frozen.token} if frozen.token else found

    def _chunks(self, key: str, body: Any) -> Iterator[bytes]:
        with self._told(key):
            yield from body.iter_chunks(_CHUNK)

    def _is_versioned(self) -> bool:
        """Whether the bucket keeps versions; whoever may not ask that may still be let to list them."""
        from botocore.exceptions import ClientError

        try:
            return self._client.get_bucket_versioning(Bucket=self.bucket).get("Status") in ("Enabled", "Suspended")
        except ClientError as problem:
            if _code(problem) not in (*_REFUSED, *_CANNOT):
                raise
        try:
            self._client.list_object_versions(Bucket=self.bucket, Prefix=self.prefix, MaxKeys=1)
        except ClientError as problem:
            if _code(problem) not in (*_REFUSED, *_CANNOT):
                raise
            return False  # then its ETag tells an object apart
        return True

    def _list(self, prefix: str, *, versioned: bool) -> Iterator[KeyVersion]:
        call, word = ("list_object_versions", "Versions") if versioned else ("list_objects_v2", "Contents")
        for page in self._client.get_paginator(call).paginate(Bucket=self.bucket, Prefix=prefix):
            for one in page.get(word, ()):
                if one.get("IsLatest", True):
                    yield KeyVersion(one["Key"], int(one["Size"]), str(one["ETag"]), _version(one.get("VersionId")))

    @contextmanager
    def _told(self, key: str = "") -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except (BotoCoreError, ClientError) as problem:
            raise _fault(problem, f"s3://{self.bucket}/{key}" if key else self.where) from problem


def _version(text: object) -> str | None:
    """The version `null` is what is there before a bucket keeps versions: it can be overwritten."""
    return None if text in (None, "null") else str(text)


def _client(where: str, environ: Mapping[str, str]) -> tuple[BaseClient, Any]:
    try:
        import botocore.session
        from botocore import UNSIGNED
        from botocore.config import Config
    except ImportError:
        raise ObjectsAddress("data in a bucket need botocore", where=where, mend='pip install "shipway[aws]"') from None
    endpoint = environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL")
    if endpoint:
        _may_be_plain(endpoint)
    session = botocore.session.get_session()
    session.register_component("data_loader", _loader())
    unsigned = {"signature_version": UNSIGNED} if environ.get("AWS_SKIP_SIGNATURE", "").lower() in ("1", "true") else {}
    config = Config(
        retries={"total_max_attempts": RETRIES, "mode": "standard"},
        connect_timeout=5,
        read_timeout=60,
        max_pool_connections=_THREADS,
        **unsigned,
    )
    region = environ.get("AWS_REGION") or session.get_config_variable("region") or "us-east-1"
    return session.create_client("s3", region_name=region, endpoint_url=endpoint, config=config), session


@functools.cache
def _loader() -> Any:
    """The library's description of S3, parsed once in a process: it takes longer than a small bucket does."""
    from botocore.loaders import create_loader

    return create_loader()


def _code(problem: Any) -> str:
    return str(problem.response.get("Error", {}).get("Code"))


def _status(problem: Any) -> int:
    return int(problem.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _fault(problem: Exception, where: str) -> ShipwayError:
    """What the library says in our own errors; what the server said is not repeated."""
    from botocore.exceptions import ClientError, NoCredentialsError, PartialCredentialsError

    if isinstance(problem, NoCredentialsError | PartialCredentialsError):
        mend = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run where the machine has a role"
        return ObjectsRefused("no credentials for the bucket were found", where=where, mend=mend)
    if isinstance(problem, ClientError):
        code = _code(problem)
        if code in ("NoSuchBucket", "InvalidBucketName"):
            return ObjectsRefused("there is no such bucket", where=where, mend="correct the address under `from`")
        if code in _ELSEWHERE:
            return ObjectsRefused("the bucket is in another region", where=where, mend="set AWS_REGION to the bucket's region")
        if code in _REFUSED or _status(problem) in (401, 403):
            mend = "look at the AWS_* variables; their user needs s3:ListBucket, s3:ListBucketVersions, s3:GetObject(Version)"
            return ObjectsRefused("the bucket refuses these credentials, or this to them", where=where, mend=mend)
    return ObjectsDown("the bucket cannot be reached, or went away", where=where, mend="run this again when it is back")

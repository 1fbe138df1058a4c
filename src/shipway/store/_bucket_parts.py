"""A large file sent to S3 in parts, of which those that came before a kill or a cut are not sent again.

obstore begins each upload anew and tells no id of it, so S3 itself is asked, by botocore, where that is installed. What has
come is asked of S3 and never remembered here: another machine goes on with the same upload, and so does a second run meanwhile.
"""

from __future__ import annotations

import hashlib
import os
from base64 import b64encode
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from shipway.store._bucket_faults import fault_in_words

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from botocore.exceptions import ClientError

Report = Callable[[int], None] | None
_AT_ONCE = 4
_CONNECTIONS = 32  # eight files, four parts of each
_LOST = frozenset(  # what S3 says of an upload that cannot end as it was begun: by others, with other parts, or ended meanwhile
    ("NoSuchUpload", "InvalidPart", "InvalidPartOrder", "EntityTooSmall", "BadDigest", "InvalidRequest", "InvalidArgument")
)


class _Part(NamedTuple):
    number: int
    start: int
    size: int


class Parts:
    """Uploads in parts to one bucket. For use by several threads. where: the address, for errors."""

    def __init__(self, client: BaseClient, where: str) -> None:
        self._client: Any = client
        self._where, (self._bucket, _, self._prefix) = where, where.removeprefix("s3://").partition("/")

    def put(self, key: str, file: Path, *, size: int, part: int, report: Report = None) -> str:
        """Put a file of `size` bytes in parts of `part`, as a whole and whatever is there; the tag that it has then.

        report: the bytes of each part that is there.

        Raises ObjectsDown, after which the parts that came are there for the next call, and ObjectsRefused.
        """
        from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

        full = f"{self._prefix}/{key}".lstrip("/")
        try:
            try:
                return self._put(full, file, size, part, report)
            except ClientError as problem:
                if _code(problem) not in _LOST:
                    raise
                return self._put(full, file, size, part, None)  # what could not end is gone: from the beginning
        except ClientError as problem:
            status = problem.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            said = f"{_code(problem)}: {status} {HTTPStatus(status).phrase if status in iter(HTTPStatus) else ''}"
            raise fault_in_words(said, where=f"{self._where}/{key}") from problem
        except (BotoCoreError, HTTPClientError) as problem:
            raise fault_in_words(type(problem).__name__, where=f"{self._where}/{key}") from problem

    def _put(self, key: str, file: Path, size: int, part: int, report: Report) -> str:
        from botocore.exceptions import ClientError

        parts = [_Part(number + 1, start, min(part, size - start)) for number, start in enumerate(range(0, size, part))]
        upload, come = self._begun(key, parts) or (self._begin(key), {})
        try:
            ends = self._send(key, upload, file, parts, come, report)
            ask = self._client.complete_multipart_upload
            return str(ask(Bucket=self._bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": ends})["ETag"])
        except ClientError as problem:
            if _code(problem) in _LOST:
                with suppress(ClientError):
                    self._client.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload)
            raise

    def _begin(self, key: str) -> str:
        begun = self._client.create_multipart_upload(Bucket=self._bucket, Key=key, ChecksumAlgorithm="SHA256")
        return str(begun["UploadId"])

    def _begun(self, key: str, parts: list[_Part]) -> tuple[str, dict[int, dict[str, Any]]] | None:
        """The newest upload of this key whose parts are cut as ours, and those that it has."""
        from botocore.exceptions import ClientError

        sizes = {part.number: part.size for part in parts}
        with suppress(ClientError):  # who may not look, or asks a server that knows no listing, begins anew
            listed = self._client.list_multipart_uploads(Bucket=self._bucket, Prefix=key).get("Uploads", [])
            for upload in sorted((one for one in listed if one["Key"] == key), key=lambda one: one["Initiated"], reverse=True):
                come = self._come(key, upload["UploadId"])
                if all(sizes.get(number) == part["Size"] for number, part in come.items()):
                    return upload["UploadId"], come
        return None

    def _come(self, key: str, upload: str) -> dict[int, dict[str, Any]]:
        found: dict[int, dict[str, Any]] = {}
        pages = self._client.get_paginator("list_parts").paginate(Bucket=self._bucket, Key=key, UploadId=upload)
        for page in pages:
            found |= {part["PartNumber"]: part for part in page.get("Parts", [])}
        return found

    def _send(
        self, key: str, upload: str, file: Path, parts: list[_Part], come: Mapping[int, dict[str, Any]], report: Report
    ) -> list[dict[str, object]]:
        """Each part as it is there in the end; a part is believed to be there by its checksum alone."""
        with file.open("rb", buffering=0) as source:
            pool = ThreadPoolExecutor(_AT_ONCE)
            try:
                one = partial(self._one, source.fileno(), key, upload, come)
                ends = []
                for part, end in zip(parts, pool.map(one, parts), strict=True):
                    ends.append(end)
                    if report:
                        report(part.size)
                return ends
            finally:
                pool.shutdown(cancel_futures=True)

    def _one(self, source: int, key: str, upload: str, come: Mapping[int, dict[str, Any]], part: _Part) -> dict[str, object]:
        data = os.pread(source, part.size, part.start)
        sha256 = b64encode(hashlib.sha256(data).digest()).decode()
        there = come.get(part.number)
        if there and _is(there, data, sha256):
            tag = there["ETag"]
        else:
            given = {"Bucket": self._bucket, "Key": key, "UploadId": upload, "PartNumber": part.number}
            tag = self._client.upload_part(**given, Body=data, ChecksumAlgorithm="SHA256", ChecksumSHA256=sha256)["ETag"]
        return {"PartNumber": part.number, "ETag": tag, "ChecksumSHA256": sha256}


def open_parts(where: str, environ: Mapping[str, str], *, endpoint: str | None, retries: int, seconds: int) -> Parts | None:
    """Uploads in parts to `s3://BUCKET/PREFIX`; None without botocore, without credentials, where the host names the bucket."""
    try:
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
        from botocore.session import Session
    except ModuleNotFoundError:
        return None
    if any(environ.get(name, "").lower() == "true" for name in ("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "AWS_SKIP_SIGNATURE")):
        return None
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    key, secret, token = (environ.get(name) for name in names)
    config = Config(
        signature_version="s3v4",
        connect_timeout=5,
        read_timeout=seconds,
        retries={"max_attempts": retries, "mode": "standard"},
        max_pool_connections=_CONNECTIONS,
        s3={"addressing_style": "path" if endpoint else "auto"},
        request_checksum_calculation="when_required",  # ours is the SHA-256 of each part
    )
    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    given = {"aws_access_key_id": key, "aws_secret_access_key": secret, "aws_session_token": token} if key and secret else {}
    try:
        session = Session()
        if not given and session.get_credentials() is None:
            return None
        client = session.create_client("s3", region_name=region, endpoint_url=endpoint, config=config, **given)
    except (BotoCoreError, ValueError):  # a profile that is not there: obstore, which reads none, may do without
        return None
    return Parts(client, where)


def _is(there: Mapping[str, Any], data: bytes, sha256: str) -> bool:
    if there["Size"] != len(data):
        return False
    if "ChecksumSHA256" in there:
        return bool(there["ChecksumSHA256"] == sha256)
    return bool(there["ETag"].strip('"') == hashlib.md5(data, usedforsecurity=False).hexdigest())


def _code(problem: ClientError) -> str:
    return str(problem.response.get("Error", {}).get("Code", ""))

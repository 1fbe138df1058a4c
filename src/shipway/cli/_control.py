"""Where a task tells its engine what conditions and repeated steps are decided by: a file, a folder, an address."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from shipway.cli._files import FileUnusable, write_whole
from shipway.kernel.canonical import Json, canonical_json
from shipway.kernel.errors import ShipwayError

if TYPE_CHECKING:
    from shipway.pipeline import StepControl


class ControlUnreachable(ShipwayError):
    """The address given with --control is none that a task can write to."""

    code = "cli.control-unreachable"


class Upload(Protocol):
    """Puts one small document at an address."""

    def __call__(self, address: str, data: bytes) -> None: ...


def _upload_to_bucket() -> Upload:
    from shipway.store import upload

    return upload


# scheme of an address -> what puts a document there
UPLOADS: dict[str, Callable[[], Upload]] = dict.fromkeys(("s3", "gs", "az"), _upload_to_bucket)


def write_control(control: StepControl, where: str, *, directory: Path) -> None:
    """Write the document to a file or an address; into a folder (there already, or named with a `/` at its end) the files
    `value`, `kind`, `items`, `skipped` and `plan`, for engines that take a file for a value.

    Raises FileUnusable, ControlUnreachable.
    """
    scheme, is_address, _ = where.partition("://")
    if is_address:
        open_upload(scheme)(where, _document(control))
        return
    path = directory / where
    try:
        if where.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise FileUnusable(f"cannot make {path}: {problem.strerror}", where=str(path), mend="name another place") from problem
    if not path.is_dir():
        write_whole(path, _document(control))
        return
    for name, text in control_files(control).items():
        write_whole(path / name, text.encode())


def open_upload(scheme: str) -> Upload:
    """Raises ControlUnreachable for a scheme that nothing here can write to; asked before the step is run."""
    if scheme not in UPLOADS:
        what = f"--control cannot write to {scheme}:// here"
        raise ControlUnreachable(what, mend="name a file, a folder with a / at its end, or s3://BUCKET/KEY")
    return UPLOADS[scheme]()


def check_control(where: str | None) -> None:
    """Raises ControlUnreachable while nothing has been done yet."""
    if where and "://" in where:
        open_upload(where.partition("://")[0])


def control_files(control: StepControl) -> Mapping[str, str]:
    """A text stands as it is, everything else as JSON; what there is not is an empty list, or null.

    kind: of the value, so that the text `true` is not taken for true: `boolean`, `number`, `text`, `skipped`, else `other`.
    """
    said = control.to_json()
    value: Json = said["value"]
    return {
        "value": value if isinstance(value, str) else json.dumps(value),
        "kind": "skipped" if control.skipped else _kind(value),
        "items": json.dumps(said["items"] or [], separators=(",", ":")),
        "skipped": json.dumps(control.skipped),
        "plan": control.plan,
    }


def _kind(value: Json) -> str:
    if isinstance(value, str):
        return "other" if value.endswith("\n") else "text"  # Argo takes a line feed away, and would compare another text
    return "boolean" if isinstance(value, bool) else "number" if isinstance(value, int | float) else "other"


def _document(control: StepControl) -> bytes:
    return canonical_json(control.to_json()) + b"\n"

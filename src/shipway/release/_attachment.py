"""Attachments: what travels with a release without being a part of it, as OCI manifests with a `subject`.

Evidence, the policy and its verdicts travel so, and whatever other rooms attach: wheels, signatures, a bill of materials, a
card. An attachment is about one digest: the release, or the object of a component, and then it goes wherever that goes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from shipway.gate import ANNOTATION
from shipway.kernel import media
from shipway.kernel.canonical import Json, JsonObject, canonical_json
from shipway.kernel.digest import Descriptor, Digest, digest_bytes, parse_digest
from shipway.store import Store

ATTACHED = "attachment"  # the kind of state that remembers attachments
CREATED = "org.opencontainers.image.created"
EMPTY_BYTES = b"{}"
EMPTY = Descriptor(media.OCI_EMPTY, digest_bytes(EMPTY_BYTES), len(EMPTY_BYTES))


@dataclass(frozen=True, slots=True)
class Attachment:
    """`data`, called `name` by people and of the type `media_type`, is about `subject`: a release or a component's object.

    created: RFC 3339, empty where nobody says when. more: what `data` names, where that is an object and has to come along.
    """

    subject: Digest
    media_type: str
    name: str
    data: Descriptor
    created: str = ""
    more: tuple[Descriptor, ...] = ()


def attach(store: Store, attachment: Attachment) -> None:
    """Remember an attachment whose bytes are in the store; twice is no error."""
    value: JsonObject = {
        "subject": attachment.subject,
        "media_type": attachment.media_type,
        "name": attachment.name,
        "data": attachment.data.to_json(),
        "created": attachment.created,
        **({"more": [blob.to_json() for blob in attachment.more]} if attachment.more else {}),
    }
    store.put_state(ATTACHED, f"{attachment.subject}/{attachment.data.digest}", value)


def attachments_of(store: Store, subject: Digest) -> list[Attachment]:
    """What is attached to a digest, evidence is not among it."""
    rows = [row.value for row in store.states(ATTACHED, f"{subject}/")]
    return [
        Attachment(
            parse_digest(str(row["subject"])),
            str(row["media_type"]),
            str(row["name"]),
            Descriptor.from_json(row["data"]),
            str(row["created"]),
            tuple(Descriptor.from_json(blob) for blob in cast("list[Json]", row.get("more", []))),
        )
        for row in rows
    ]


def attachment_manifest(attachment: Attachment, subject: Descriptor) -> bytes:
    """The OCI manifest of an attachment (image spec 1.1, "Guidelines for Artifact Usage"); subject: the release's index, or
    the manifest of the component.
    """
    notes = {ANNOTATION + "name": attachment.name, ANNOTATION + "subject": attachment.subject}
    if attachment.created:
        notes[CREATED] = attachment.created
    return canonical_json(
        {
            "schemaVersion": 2,
            "mediaType": media.OCI_MANIFEST,
            "artifactType": attachment.media_type,
            "config": EMPTY.to_json(),
            "layers": [blob.to_json() for blob in (attachment.data, *attachment.more)],
            "subject": subject.to_json(),
            "annotations": notes,
        }
    )

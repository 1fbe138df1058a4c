"""Events of S3 in the shapes in which a function gets them."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))

from function_world import TEST_EVENT, bridged, notification, queued, s3_record

from shipway.protocols import EventUnknown, Letter, ObjectNotice, failed_letters, parse_object_event

CREATED, REMOVED = "ObjectCreated:Put", "ObjectRemoved:DeleteMarkerCreated"
KEY = "docs/a page + é.txt"
keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(keys, st.sampled_from([CREATED, REMOVED, "ObjectCreated:CompleteMultipartUpload", "LifecycleExpiration:Delete"]))
def test_every_way_names_the_same_object(key: str, name: str) -> None:
    record = notification(s3_record(name, "acme", quote_plus(key)))
    wanted = (ObjectNotice("acme", key),)
    assert parse_object_event(record).notices == wanted
    assert parse_object_event(queued(record)).notices == wanted
    assert parse_object_event(bridged("Object Created", "acme", key)).notices == wanted
    assert parse_object_event(queued(bridged("Object Deleted", "acme", key))).notices == wanted


def test_a_plus_is_a_blank_where_s3_wrote_it_and_a_plus_where_eventbridge_did() -> None:
    assert parse_object_event(notification(s3_record(CREATED, "acme", "a+b%2Bc"))).notices == (("acme", "a b+c"),)
    assert parse_object_event(bridged("Object Created", "acme", "a+b%2Bc")).notices == (("acme", "a+b%2Bc"),)


def test_the_event_by_which_s3_tries_a_notification_is_about_nothing() -> None:
    assert parse_object_event(TEST_EVENT).notices == ()
    assert parse_object_event(queued(TEST_EVENT)).letters == (Letter("message-0", ()),)


def test_a_message_that_cannot_be_read_fails_alone() -> None:
    found = parse_object_event(queued("{", notification(s3_record(CREATED, "acme", "a")), {"hello": 1}, "[" * 100_000))
    assert found.queued
    assert [letter.id for letter in found.letters if letter.problem] == ["message-0", "message-2", "message-3"]
    assert found.letters[1].notices == (("acme", "a"),)
    assert failed_letters(["message-0"]) == {"batchItemFailures": [{"itemIdentifier": "message-0"}]}


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        "text",
        {},
        {"Records": [7]},
        {"Records": [{"eventSource": "aws:sns"}]},
        {"Records": [{"eventSource": "aws:s3", "s3": {"bucket": {"name": "acme"}}}]},
        {"Records": [{"eventSource": "aws:s3", "s3": {"bucket": "acme", "object": {"key": "a"}}}]},
        {"Records": [{"eventSource": "aws:s3", "s3": {"bucket": {"name": "acme"}, "object": {"key": ""}}}]},
        {"Records": [{"eventSource": "aws:sqs", "body": json.dumps(TEST_EVENT)}]},
        {"source": "aws.s3"},
        {"source": "aws.ec2", "detail": {}},
        {"requestContext": {}},
    ],
)
def test_another_shape_is_one_clear_error(event: object) -> None:
    with pytest.raises(EventUnknown) as caught:
        parse_object_event(event)
    assert caught.value.mend


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["Records", "eventSource", "s3", "bucket", "object", "name", "key", "source", "detail", "body"])
            | st.text(max_size=3),
            inner | st.sampled_from(["aws:s3", "aws:sqs", "aws.s3"]),
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(anything)
def test_whatever_comes_is_read_or_refused(event: object) -> None:
    with contextlib.suppress(EventUnknown):
        parse_object_event(event)

"""EKS: audit events in every envelope CloudWatch hands out, and nothing else that shares their log group."""

from __future__ import annotations

import base64
import gzip
import json

import pytest

GROUP = "/aws/eks/prod-eu/cluster"
STREAM = "kube-apiserver-audit-0a1b2c3d4e5f"


def compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def subscription(*messages: str, **fields: object) -> dict[str, object]:
    events = [{"id": str(at), "timestamp": 1_790_000_000_123 + at, "message": one} for at, one in enumerate(messages)]
    whole = {
        "messageType": "DATA_MESSAGE",
        "owner": "123456789012",
        "logGroup": GROUP,
        "logStream": STREAM,
        "subscriptionFilters": ["all"],
        "logEvents": events,
    }
    return whole | fields


def packed(record: object) -> str:
    return base64.b64encode(gzip.compress(json.dumps(record).encode())).decode()


def test_a_subscription_record_gives_one_event_a_message_and_says_whose_they_are(taken, event):
    first, second = compact(event()), compact(event(auditID="other"))
    outcome = taken(json.dumps(subscription(first, second)).encode())
    assert [row.raw for row in outcome.rows] == [first.encode(), second.encode()]
    row = outcome.rows[0]
    assert (row.source_format, row.cluster, row.account, row.provider) == (
        "eks-cloudwatch", "prod-eu", "123456789012", "aws",
    )  # fmt: skip
    assert json.loads(outcome.records[0].context) == {
        "log_group": GROUP, "log_stream": STREAM, "owner": "123456789012",
    }  # fmt: skip
    assert (row.user, row.resource, row.namespace, row.name) == ("ann@example.com", "configmaps", "shop", "prices")


@pytest.mark.parametrize("order", [1, -1])
def test_the_order_of_an_envelopes_fields_does_not_matter(taken, event, order):
    record = dict(list(subscription(compact(event())).items())[::order])
    assert taken(json.dumps(record).encode()).row.cluster == "prod-eu"


def test_a_long_envelope_is_recognised_wherever_its_list_stands(taken, event):
    messages = [compact(event(auditID=str(number))) for number in range(60)]
    record = dict(reversed(subscription(*messages).items()))
    assert len(taken(json.dumps(record).encode()).rows) == 60


def test_control_messages_are_skipped_and_counted(taken):
    control = subscription("CWL CONTROL MESSAGE: Checking health of destination", messageType="CONTROL_MESSAGE")
    outcome = taken(json.dumps(control).encode())
    assert not outcome.rows
    assert outcome.skipped == {"CloudWatch control message": 1}


def test_records_that_firehose_joined_on_one_line_come_apart(taken, event):
    first, second = subscription(compact(event())), subscription(compact(event(auditID="other")))
    outcome = taken((json.dumps(first) + json.dumps(second) + "\n").encode())
    assert [row.audit_id for row in outcome.rows] == [event()["auditID"], "other"]


def test_what_lambda_and_kinesis_hand_on_is_unpacked(taken, event):
    record = subscription(compact(event()))
    lambda_event = {"awslogs": {"data": packed(record)}}
    control = subscription("x", messageType="CONTROL_MESSAGE")
    kinesis_event = {"Records": [{"kinesis": {"data": packed(record)}}, {"kinesis": {"data": packed(control)}}]}
    outcome = taken(f"{json.dumps(lambda_event)}\n{json.dumps(kinesis_event)}\n".encode())
    assert len(outcome.rows) == 2
    assert outcome.rows[0] == outcome.rows[1]
    assert outcome.skipped == {"CloudWatch control message": 1}


def test_answers_of_get_and_filter_log_events_are_read(taken, event):
    one = {"timestamp": 1_790_000_000_123, "message": compact(event()), "ingestionTime": 1_790_000_000_999}
    answer = {"events": [one, one | {"logStreamName": STREAM, "eventId": "9"}], "nextForwardToken": "f/1"}
    outcome = taken(json.dumps(answer, indent=2).encode(), context='{"cluster":"said"}')
    assert [(row.cluster, row.account, row.provider) for row in outcome.rows] == [("said", None, "aws")] * 2
    assert taken(json.dumps(one).encode()).row.raw == compact(event()).encode()


def test_rows_of_logs_insights_are_read(taken, event):
    row = {
        "@timestamp": "2026-10-03 04:05:07.000",
        "@message": compact(event()),
        "@logStream": STREAM,
        "@log": f"123456789012:{GROUP}",
    }
    outcome = taken(json.dumps([row], indent=1).encode())
    assert (outcome.row.cluster, outcome.row.account) == ("prod-eu", "123456789012")
    fields = [{"field": key, "value": value} for key, value in row.items()]
    answer = {"results": [fields], "statistics": {"recordsMatched": 1.0}, "status": "Complete"}
    assert taken(json.dumps(answer).encode()).row == outcome.row


def test_a_message_that_insights_shows_as_an_object_stays_as_it_is(taken, event):
    text = json.dumps({"@message": event(), "@logStream": STREAM})
    assert json.loads(taken(text.encode()).row.raw) == event()


def test_lines_of_an_export_to_s3_are_kept_whole(taken, event):
    line = "2026-10-03T04:05:07.000Z " + compact(event())
    outcome = taken(f"{line}\n".encode(), context='{"cluster":"said","account":"1"}')
    assert outcome.row.raw == line.encode()
    assert (outcome.row.source_format, outcome.row.cluster, outcome.row.provider) == ("eks-cloudwatch", "said", "aws")


def test_the_time_of_the_envelope_serves_events_without_one(taken, event):
    bare = compact(event(requestReceivedTimestamp=None, stageTimestamp=None))
    from_envelope = taken(json.dumps(subscription(bare)).encode(), context="{}").row
    from_line = taken(f"2026-09-21T14:13:20.123Z {bare}\n".encode()).row
    assert from_envelope.time == 1_790_000_000_123_000
    assert from_line.time == from_envelope.time


def test_one_event_is_one_event_whichever_export_it_came_by(taken, event):
    message = compact(event())
    labels = '{"account":"123456789012","cluster":"prod-eu"}'
    ids = {
        taken(json.dumps(subscription(message)).encode()).row.event_id,
        taken(f"2026-10-03T04:05:07.000Z {message}\n".encode(), context=labels).row.event_id,
        taken(json.dumps({"events": [{"timestamp": 1, "message": message}]}).encode(), context=labels).row.event_id,
    }
    assert len(ids) == 1


@pytest.mark.parametrize(
    ("stream", "what"),
    [
        ("authenticator-0a1b", "CloudWatch stream authenticator"),
        ("kube-scheduler-0a1b", "CloudWatch stream kube-scheduler"),
        ("kube-apiserver-0a1b", "CloudWatch stream kube-apiserver"),
        ("somebody-elses", "other CloudWatch stream"),
    ],
)
def test_other_streams_of_the_log_group_are_skipped_by_name(taken, stream, what):
    record = subscription('time="2026-10-03T04:05:06Z" level=info', '{"level":"info"}', logStream=stream)
    outcome = taken(json.dumps(record).encode())
    assert not outcome.rows
    assert outcome.skipped == {what: 2}


def test_the_account_of_the_user_serves_where_nobody_names_one(taken, event):
    by_uid = event(user={"username": "a", "uid": "aws-iam-authenticator:210987654321:AIDA"})
    by_arn = event(user={"username": "b", "extra": {"arn": ["arn:aws:sts::210987654321:assumed-role/dev/x"]}})
    by_odd_arn = event(user={"username": 7, "extra": {"arn": ["arn:aws:iam::210987654321:role/dev"], "n": 1}})
    answer = {"events": [{"timestamp": 1, "message": compact(one)} for one in (by_uid, by_arn, by_odd_arn, event())]}
    accounts = [row.account for row in taken(json.dumps(answer).encode()).rows]
    assert accounts == ["210987654321", "210987654321", "210987654321", None]
    labelled = taken(json.dumps(answer).encode(), context='{"account":"123456789012"}').rows
    assert {row.account for row in labelled} == {"123456789012"}


def test_a_damaged_gzip_in_an_envelope_is_no_event(taken):
    outcome = taken(json.dumps({"awslogs": {"data": "H4sIAAAA"}}).encode())
    assert [reason for reason, _ in outcome.rejected] == ["no_known_field"]

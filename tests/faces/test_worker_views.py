"""The worker's endpoint: the contract of worker/wire.py, and what bad input gets."""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import MISSING, asdict, fields, replace

import pytest

from provisioner.faces.http.worker_views import HEARTBEAT_LIMIT_BYTES, REPORT_LIMIT_BYTES
from provisioner.model.event import WorkflowDeleted
from provisioner.model.state import State
from provisioner.services.conditions import Condition
from tests import builders
from tests.builders import COMMIT, IPS, MACS, ONE, TWO, report
from tests.services.parts import FIRST, SECOND, told
from worker import wire

RUNNING, SUCCESS, FAILED = State.RUNNING, State.SUCCESS, State.FAILED
REPORTS = f"/v1/workflows/{FIRST}/reports"
DATA = f"/v1/workflows/{FIRST}/data"
PUT = f"{DATA}?worker={MACS[ONE]}&action_index=0&attempt=1&report_id=p1"


def action(worker, wait=""):
    return f"/v1/workers/{worker}/action" + (f"?wait={wait}" if wait else "")


def tell(client, report, path=REPORTS):
    return client.post(path, data=wire.encode(report))


def beat(client, worker=MACS[ONE], index=0, attempt=1, workflow=FIRST):
    heartbeat = wire.Heartbeat(worker=worker, action_index=index, attempt=attempt)
    answer = client.post(f"/v1/workflows/{workflow}/heartbeat", data=wire.encode(heartbeat))
    return wire.decode(wire.HeartbeatAnswer, answer.data) if answer.status_code == 200 else answer


def check_error(answer, status, code, words=""):
    """One shape for every error."""
    assert answer.status_code == status
    assert answer.content_type == "application/json"
    told = json.loads(answer.data)
    assert list(told) == ["error"]
    assert sorted(told["error"]) == ["code", "hint", "message"]
    assert told["error"]["code"] == code
    assert words in told["error"]["message"]


@pytest.mark.parametrize("worker", [MACS[ONE], MACS[ONE].replace(":", "-"), IPS[ONE], ONE])
def test_a_worker_gets_its_action_by_any_of_its_names(client, worker):
    answer = client.get(action(worker))
    assert answer.status_code == 200
    offer = wire.decode(wire.Offer, answer.data)
    assert (offer.workflow_id, offer.action_index, offer.worker_id) == (FIRST, 0, ONE)
    assert (offer.action_status, offer.attempt) == ("STATE_PENDING", 0)
    assert offer.timeout_seconds == 3600


def test_an_offer_says_all_that_the_action_says(client, inside):
    full = builders.action(
        0,
        timeout_seconds=7,
        command=("write", "it"),
        on_timeout=("say", "late"),
        on_failure=("say", "no"),
        volumes=("/dev:/dev",),
        environment=(("A", "1"), ("B", "x=y")),
        pid="host",
        network="host",
        background=True,
    )
    record = replace(builders.record(ONE, workflow=FIRST), actions=(full,))
    inside.snapshots.swap_status(builders.status(record), (FIRST,))
    offer = wire.decode(wire.Offer, client.get(action(MACS[ONE])).data)
    for each in fields(full):
        if each.default is MISSING or each.name == "max_attempts":
            continue
        assert getattr(full, each.name) != each.default, f"a new field: give {each.name} a value"
        if each.name != "environment":
            assert getattr(offer, each.name) == getattr(full, each.name), each.name
    assert offer.environment == ("A=1", "B=x=y")


def test_idle_and_unknown_machines_get_the_same_answer_byte_for_byte(client):
    idle, unknown = (client.get(action(each)) for each in (MACS[TWO], "52:54:00:ff:ff:ff"))
    assert idle.status_code == unknown.status_code == 204
    assert idle.data == unknown.data == b""
    assert dict(idle.headers) == dict(unknown.headers)


def test_an_action_under_way_is_offered_as_such(client):
    tell(client, told(0, RUNNING))
    offer = wire.decode(wire.Offer, client.get(action(MACS[ONE])).data)
    assert (offer.action_status, offer.attempt) == ("STATE_RUNNING", 1)


@pytest.mark.parametrize("worker", ["no-mac", "..", "08:00:27", "%2d%2dhelp"])
def test_what_names_no_worker_is_told(client, worker):
    check_error(client.get(action(worker)), 400, "bad-request", "names no worker")


def test_a_wait_that_is_no_number_is_told(client):
    check_error(client.get(action(MACS[TWO], "soon")), 400, "bad-request", "wait=")
    assert client.get(action(MACS[TWO], "-5")).status_code == 204
    assert client.get(action(MACS[TWO], "nan")).status_code == 204


def test_a_report_is_acknowledged_with_commit_and_event(client):
    answer = tell(client, told(0, RUNNING))
    acknowledged = wire.decode(wire.Acknowledgement, answer.data)
    assert acknowledged.event == 1
    assert acknowledged.workflow_state == "STATE_RUNNING"
    assert acknowledged.commit
    assert acknowledged.report_id == "0:1:STATE_RUNNING"


def test_a_repeated_report_gets_the_first_answer(client):
    first = tell(client, told(0, RUNNING))
    tell(client, told(0, SUCCESS))
    again = wire.decode(wire.Acknowledgement, tell(client, told(0, RUNNING)).data)
    assert first.status_code == 200
    assert again.event == 1


@pytest.mark.parametrize(
    ("report", "words"),
    [
        (told(0, RUNNING, worker=MACS[TWO]), "belongs to another worker"),
        (told(1, RUNNING), "action 0 is due, the report is of action 1"),
        (told(0, RUNNING, action_name="x"), "action name does not match"),
        (told(0, SUCCESS), "report STATE_RUNNING first"),
    ],
)
def test_a_report_for_the_wrong_worker_or_action_or_out_of_order_is_refused(client, report, words):
    check_error(tell(client, report), 409, "refused", words)


def test_a_report_for_a_finished_or_deleted_workflow_is_refused(client, inside):
    tell(client, told(0, RUNNING))
    tell(client, told(0, FAILED))
    check_error(tell(client, told(1, RUNNING)), 409, "refused", "has ended in STATE_FAILED")
    deleted = WorkflowDeleted(workflow_id=SECOND, at="", desired_commit=COMMIT, message="")
    inside.apply(deleted)
    path = f"/v1/workflows/{SECOND}/reports"
    check_error(tell(client, told(0, RUNNING), path), 409, "refused", "STATE_CANCELLED")


def test_a_run_beyond_max_attempts_is_refused_and_so_is_its_repetition(client):
    for attempt in range(1, 6):
        assert tell(client, told(0, RUNNING, attempt=attempt)).status_code == 200
    for _ in range(2):
        answer = tell(client, told(0, RUNNING, attempt=6))
        check_error(answer, 409, "refused", "max_attempts is 5")
    assert client.get(action(MACS[ONE])).get_json()["workflow_id"] == SECOND


@pytest.mark.parametrize("workflow", ["nothing", "0190a5c0-0000-7000-8000-0000000000ff", "..%00"])
def test_a_report_for_no_workflow_is_not_found(client, workflow):
    path = f"/v1/workflows/{workflow}/reports"
    check_error(tell(client, told(0, RUNNING), path), 404, "not-found")


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b"[" * 100_000, b'{"report_id": 5}', b"{}", b'"\xff"', b"null"],
)
def test_a_body_that_is_no_report_is_told(client, body):
    check_error(client.post(REPORTS, data=body), 400, "bad-request")


def test_wrong_types_are_told_by_field(client):
    report = {**asdict(told(0, RUNNING)), "attempt": True}
    answer = client.post(REPORTS, data=json.dumps(report))
    check_error(answer, 400, "bad-request", "attempt is not of type int")


def test_fields_of_a_later_version_are_passed_over(client):
    report = {**asdict(told(0, RUNNING)), "colour": "red"}
    assert client.post(REPORTS, data=json.dumps(report)).status_code == 200


def test_a_body_over_its_limit_is_refused(client):
    for path, limit in (
        (REPORTS, REPORT_LIMIT_BYTES),
        (REPORTS[:-7] + "heartbeat", HEARTBEAT_LIMIT_BYTES),
    ):
        check_error(client.post(path, data=b" " * (limit + 1)), 413, "too-large")
        check_error(client.post(path, data=b" " * limit), 400, "bad-request")


def test_a_whole_log_tail_fits_into_a_report_however_it_is_escaped(client):
    tell(client, told(0, RUNNING))
    report = asdict(told(0, FAILED, log_tail="\x01" * wire.LOG_TAIL_BYTES))
    assert client.post(REPORTS, data=json.dumps(report)).status_code == 200


def test_a_heartbeat_of_a_wanted_run_says_go_on_and_is_a_sign_of_life(client, inside):
    tell(client, told(0, RUNNING))
    inside.contacts.clear()
    assert beat(client) == wire.HeartbeatAnswer(cancel=False)
    assert inside.contacts == [ONE]


def test_a_heartbeat_of_a_deleted_workflow_says_cancel(client, inside):
    tell(client, told(0, RUNNING))
    inside.apply(WorkflowDeleted(workflow_id=FIRST, at="", desired_commit=COMMIT, message=""))
    assert beat(client) == wire.HeartbeatAnswer(cancel=True, reason="the workflow was deleted")


def test_a_heartbeat_by_a_stranger_is_no_sign_of_life(client, inside):
    tell(client, told(0, RUNNING))
    inside.contacts.clear()
    assert beat(client, worker=MACS[TWO]).cancel
    assert beat(client, attempt=9).cancel
    assert inside.contacts == []
    check_error(beat(client, workflow="nothing"), 404, "not-found")


def archive(*files):
    return wire.pack(wire.ArchivedFile(path=path, content=content) for path, content in files)


def test_data_goes_up_and_comes_down_with_version_and_checksum(client):
    assert client.get(f"{DATA}?worker={MACS[ONE]}").status_code == 204
    tell(client, told(0, RUNNING))
    sent = archive(("a.json", b"{}"), ("dir/blob", b"\0\xff"))
    answer = wire.decode(wire.DataAnswer, client.put(PUT, data=sent).data)
    assert (answer.version, answer.sha256) == (1, wire.sha256(sent))
    got = client.get(f"{DATA}?worker={MACS[TWO]}")
    assert got.data == sent
    assert got.headers[wire.HEADER_DATA_VERSION] == "1"
    assert got.headers[wire.HEADER_DATA_SHA256] == wire.sha256(sent)
    assert got.content_type == wire.CONTENT_TYPE_ARCHIVE


def test_an_archive_written_by_another_program_has_the_checksum_of_its_content(client):
    tell(client, told(0, RUNNING))
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as other:
        entry = tarfile.TarInfo("a.json")
        entry.size, entry.mtime, entry.uname = 2, 1_700_000_000, "somebody"
        other.addfile(entry, io.BytesIO(b"{}"))
    answer = wire.decode(wire.DataAnswer, client.put(PUT, data=buffer.getvalue()).data)
    assert answer.sha256 == wire.sha256(archive(("a.json", b"{}")))


def test_machines_that_take_no_part_learn_nothing_of_a_workflow(client):
    tell(client, told(0, RUNNING))
    client.put(PUT, data=archive(("a", b"x")))
    stranger = client.get(f"{DATA}?worker=52:54:00:ff:ff:ff")
    nothing = client.get(f"/v1/workflows/nothing/data?worker={MACS[ONE]}")
    check_error(stranger, 404, "not-found")
    assert stranger.data == nothing.data.replace(b"nothing", FIRST.encode())
    other = client.get(f"/v1/workflows/{SECOND}/data?worker={MACS[TWO]}")
    check_error(other, 404, "not-found")


def odd_archive(kind=tarfile.REGTYPE, name="x", link=""):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as odd:
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname = kind, link
        odd.addfile(entry)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "body",
    [
        odd_archive(name="../x"),
        odd_archive(name="a/../../x"),
        odd_archive(name="/etc/passwd"),
        odd_archive(tarfile.SYMTYPE, link="/etc/passwd"),
        odd_archive(tarfile.LNKTYPE, link="x"),
        odd_archive(tarfile.CHRTYPE),
        odd_archive(tarfile.BLKTYPE),
        odd_archive(tarfile.FIFOTYPE),
        b"no archive at all" * 100,
        archive(("a", b"x" * 2_000))[:1_500],
    ],
)
def test_an_archive_that_leads_elsewhere_is_refused(client, inside, body):
    tell(client, told(0, RUNNING))
    check_error(client.put(PUT, data=body), 400, "bad-request")
    assert inside.writer.view.workflows[FIRST].context.data_version is None


def test_data_of_ten_megabytes_fits_and_one_byte_more_is_told_with_size_and_limit(client):
    tell(client, told(0, RUNNING))
    whole = archive(("big", b"x" * wire.DATA_LIMIT_BYTES))
    assert client.put(PUT, data=whole).status_code == 200
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as larger:
        entry = tarfile.TarInfo("big")
        entry.size = wire.DATA_LIMIT_BYTES + 1
        larger.addfile(entry, io.BytesIO(b"x" * entry.size))
    answer = client.put(PUT.replace("p1", "p2"), data=buffer.getvalue())
    check_error(answer, 413, "too-large", "10485761 bytes, the limit is 10485760")
    too_long = b"x" * (wire.ARCHIVE_LIMIT_BYTES + 1)
    check_error(client.put(PUT, data=too_long), 413, "too-large")
    assert client.get(f"{DATA}?worker={MACS[ONE]}").data == whole


@pytest.mark.parametrize(
    "query",
    [
        "",
        f"worker={MACS[ONE]}",
        f"worker={MACS[ONE]}&action_index=x&attempt=1&report_id=p",
        f"worker={MACS[ONE]}&action_index=0&attempt=-1&report_id=p",
        f"worker={MACS[ONE]}&action_index=0&attempt=1&report_id=a/b",
        "worker=zzz&action_index=0&attempt=1&report_id=p",
        f"worker={MACS[ONE]}&action_index=9999999999&attempt=1&report_id=p",
    ],
)
def test_a_push_that_does_not_say_whose_it_is_is_refused(client, query):
    tell(client, told(0, RUNNING))
    check_error(client.put(f"{DATA}?{query}", data=archive()), 400, "bad-request")


def test_a_push_out_of_turn_is_refused(client):
    check_error(client.put(PUT, data=archive()), 409, "refused", "is not running")


def test_a_poll_that_waits_without_the_gate_gets_work_when_it_comes(client, inside):
    inside.apply(*(report(0, each, workflow=FIRST) for each in (RUNNING, SUCCESS)))
    offer = wire.decode(wire.Offer, client.get(action(MACS[TWO], "5")).data)
    assert offer.action_index == 1
    inside.snapshots.close()
    assert client.get(action("52:54:00:ff:ff:ff", "60")).status_code == 204


def test_nothing_is_offered_or_acknowledged_while_writing_is_stopped(inside, client):
    tell(client, told(0, RUNNING))
    inside.provisioner.conditions.set(
        Condition(name="status-diverged", message="two histories", stops_writing=True)
    )
    for answer in (
        client.get(action(ONE)),
        tell(client, told(0, RUNNING)),
        client.put(PUT, data=b""),
    ):
        check_error(answer, 503, "unavailable", "two histories")
    assert not beat(client).cancel  # a container that runs goes on

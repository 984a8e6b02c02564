"""Does the contract hold against friend and foe?"""

from __future__ import annotations

import contextlib
import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker import wire
from worker.wire import ArchivedFile, DataTooLarge, Heartbeat, Offer, Report, WireError


def a_tar(*entries: tuple[tarfile.TarInfo, bytes], form: int = tarfile.GNU_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for entry, content in entries:
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def an_entry(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.type = size, kind
    return entry


def with_checksum(header: bytearray) -> bytes:
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header[:512])
    return bytes(header)


A_GOOD_ARCHIVE = wire.pack(
    (
        ArchivedFile(path="a", content=b"1" * 600),
        ArchivedFile(path="sub/" + "long" * 60, content=b"2"),
    )
)


def test_what_is_packed_unpacks_the_same():
    files = (
        ArchivedFile(path="a", content=b"1"),
        ArchivedFile(path="sub/" + "long" * 60, content=b"\0\xff" * 400, executable=True),
        ArchivedFile(path="z\udcff", content=b""),  # a name that is not UTF-8
        ArchivedFile(path="ö ü\n", content=b"x"),
    )
    assert set(wire.unpack(wire.pack(files))) == set(files)


def test_the_order_of_files_does_not_change_the_archive():
    one, two = ArchivedFile(path="a", content=b"1"), ArchivedFile(path="b", content=b"2")
    assert wire.pack((one, two)) == wire.pack((two, one))


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x", "a//b", "./a", "", "a/."])
def test_a_path_that_leads_out_is_refused_both_ways(path):
    with pytest.raises(WireError, match="not a path inside"):
        wire.pack((ArchivedFile(path=path, content=b""),))
    with pytest.raises(WireError):
        wire.unpack(a_tar((an_entry(path or "/"), b"")))


@pytest.mark.parametrize(
    "kind",
    [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, b"x9"],
)
def test_links_and_devices_in_an_archive_are_refused(kind):
    with pytest.raises(WireError):
        wire.unpack(a_tar((an_entry("x", kind=kind[:1]), b"")))


def test_a_file_twice_or_also_a_folder_is_refused():
    with pytest.raises(WireError, match="twice"):
        wire.unpack(a_tar((an_entry("a"), b""), (an_entry("a"), b"")))
    with pytest.raises(WireError, match="a file and a folder"):
        wire.unpack(a_tar((an_entry("a"), b""), (an_entry("a/b"), b"")))


def test_one_byte_over_the_limit_names_size_and_limit():
    fits = ArchivedFile(path="a", content=bytes(wire.DATA_LIMIT_BYTES))
    assert wire.unpack(wire.pack((fits,))) == (fits,)
    with pytest.raises(DataTooLarge, match="is 10485761 bytes, the limit is 10485760 bytes"):
        wire.pack((fits, ArchivedFile(path="b", content=b"1")))


def test_a_claimed_size_is_refused_before_it_is_read():
    header = bytearray(an_entry("a", 2**33).tobuf(tarfile.GNU_FORMAT))
    with pytest.raises(DataTooLarge):
        wire.unpack(bytes(header) + bytes(1024))


def test_a_negative_size_is_refused():
    header = bytearray(an_entry("a").tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"\xff" * 11 + b"\x00"  # base 256, two's complement: -256
    with pytest.raises(WireError):
        wire.unpack(with_checksum(header) + bytes(1024))


def test_more_than_the_limit_of_files_is_refused():
    many = [(an_entry(str(number)), b"") for number in range(wire.DATA_LIMIT_FILES + 1)]
    with pytest.raises(DataTooLarge, match="4097 files"):
        wire.unpack(a_tar(*many))


def test_long_name_headers_one_after_the_other_do_not_crash():
    header = an_entry("././@LongLink", 0, tarfile.GNUTYPE_LONGNAME).tobuf(tarfile.GNU_FORMAT)
    with pytest.raises(WireError):
        wire.unpack(header * 5_000 + bytes(1024))


@pytest.mark.parametrize("body", [b"\x1f\x8b" + bytes(600), b"x" * 600, b"\0" * 100 + b"a" * 412])
def test_what_is_no_archive_is_refused(body):
    with pytest.raises(WireError):
        wire.unpack(body)


def test_a_broken_archive_is_refused_wherever_it_is_cut():
    whole = wire.pack((ArchivedFile(path="a", content=b"1" * 700),))
    for cut in (100, 600, 1100):
        with pytest.raises(WireError):
            wire.unpack(whole[:cut])


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"[" * 100_000, "not JSON"),
        (b"\xff", "not JSON"),
        (b"[]", "not a JSON object"),
        (b'{"worker": 1, "action_index": 0, "attempt": 1}', "worker is not of type str"),
        (b'{"worker": "w", "action_index": true, "attempt": 1}', "action_index is not"),
        (b'{"worker": "w"}', "missing"),
        (b'{"worker": "\\ud800", "action_index": 0, "attempt": 1}', "worker holds half"),
        (b'{"worker": "w", "action_index": ' + b"9" * 5_000 + b"}", "not JSON"),
    ],
)
def test_a_message_of_another_form_is_refused(body, said):
    with pytest.raises(WireError, match=said):
        wire.decode(Heartbeat, body)


@given(st.data())
def test_no_archive_whatever_raises_anything_but_a_wire_error(data):
    whole = bytearray(A_GOOD_ARCHIVE)
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(whole) - 1))
        whole[place] = data.draw(st.integers(0, 255))
    for start in range(0, len(whole), 512):
        if data.draw(st.booleans()) and any(whole[start : start + 512]):
            header = whole[start : start + 512]
            with contextlib.suppress(OverflowError):
                whole[start : start + 512] = with_checksum(header)
    try:
        for file in wire.unpack(bytes(whole)):
            wire.check_path(file.path)
    except WireError:
        pass


def test_fields_of_a_later_version_are_passed_over():
    body = b'{"worker": "w", "action_index": 0, "attempt": 1, "mood": "fine"}'
    assert wire.decode(Heartbeat, body) == Heartbeat(worker="w", action_index=0, attempt=1)


def test_a_report_survives_the_wire():
    report = Report(
        report_id=wire.report_id("w", 1, 2, "end"),
        worker="08:00:27:00:00:01",
        task_name="täsk",
        action_name="a",
        action_index=1,
        attempt=2,
        action_status="STATE_FAILED",
        exit_code=3,
        log_tail="a\n\0b",
    )
    assert wire.decode(Report, wire.encode(report)) == report


def test_a_report_that_is_no_text_is_still_sent():
    report = Report(
        report_id="r",
        worker="w",
        task_name="t",
        action_name="a",
        action_index=0,
        attempt=1,
        action_status="STATE_FAILED",
        message="file z\udcff",
    )
    assert wire.decode(Report, wire.encode(report)).message == "file z?"


def test_an_offer_keeps_its_lists():
    offer = Offer(
        workflow_id="w",
        workflow_name="n",
        worker_id="i",
        total_number_of_actions=1,
        action_index=0,
        action_status="STATE_PENDING",
        attempt=0,
        task_name="t",
        action_name="a",
        image="i",
        timeout_seconds=60,
        command=("a", "b c"),
        environment=("A=1",),
    )
    assert wire.decode(Offer, wire.encode(offer)) == offer

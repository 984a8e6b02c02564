"""The reader of archives: agrees with tar programs on plain files, and no archive keeps it busy."""

from __future__ import annotations

import contextlib
import io
import subprocess
import tarfile
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker import tar, wire
from worker.wire import ArchivedFile, DataTooLarge, WireError

FORMS = {"gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT, "ustar": tarfile.USTAR_FORMAT}

names = st.text(
    st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=40
).filter(lambda name: name not in (".", ".."))
paths = st.lists(names, min_size=1, max_size=6).map("/".join)
files = st.lists(
    st.builds(
        ArchivedFile,
        path=paths | st.sampled_from(["long/" * 30 + "x", "n" * 100, "n" * 101, "z\udcff"]),
        content=st.binary(max_size=40) | st.sampled_from([b"x" * 512, b"x" * 1_025]),
        executable=st.booleans(),
    ),
    max_size=5,
    unique_by=lambda file: file.path,
)


def by_tarfile(members, form):
    buffer = io.BytesIO()
    with tarfile.open(
        fileobj=buffer, mode="w", format=form, encoding="utf-8", errors="surrogateescape"
    ) as archive:
        for file in members:
            entry = tarfile.TarInfo(file.path)
            entry.size = len(file.content)
            entry.mode = 0o755 if file.executable else 0o644
            archive.addfile(entry, io.BytesIO(file.content))
    return buffer.getvalue()


def read(archive):
    return [
        ArchivedFile(
            path=each.path,
            content=archive[each.start : each.start + each.size],
            executable=each.executable,
        )
        for each in tar.entries(archive, header_limit=100)
    ]


def header(kind, size=0, name=b"x", **fields):
    block = bytearray(512)
    block[: len(name)] = name
    block[100:108], block[124:136] = b"0000644\0", b"%011o\0" % size
    block[156:157], block[257:265] = kind, b"ustar\x0000"
    for place, value in fields.values():
        block[place : place + len(value)] = value
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def padded(content):
    return content + bytes(-len(content) % 512)


def record(key, value):
    length = len(key) + len(value) + 3
    while len(b"%d" % length) + len(key) + len(value) + 3 != length:
        length = len(b"%d" % length) + len(key) + len(value) + 3
    return b"%d %s=%s\n" % (length, key, value)


def extended(content, kind=b"x"):
    return header(kind, len(content)) + padded(content)


END = bytes(1_024)


@settings(max_examples=60)
@given(files)
def test_what_is_written_is_byte_for_byte_what_the_standard_library_writes(members):
    parts = tar.write((each.path, each.content, each.executable) for each in members)
    assert b"".join(parts) == by_tarfile(members, tarfile.GNU_FORMAT)


@settings(max_examples=60)
@given(files, st.sampled_from(sorted(FORMS)))
def test_what_the_standard_library_writes_is_read_in_each_of_its_formats(members, form):
    try:
        archive = by_tarfile(members, FORMS[form])
    except ValueError:  # a name that ustar can't hold
        return
    assert read(archive) == members


@settings(max_examples=200)
@given(st.data())
def test_a_damaged_archive_is_refused_or_read_as_the_standard_library_reads_it(data):
    whole = bytearray(
        by_tarfile(
            [
                ArchivedFile(path="a" * 60 + "/" + "n" * 60, content=b"1" * 600, executable=True),
                ArchivedFile(path="b", content=b"2"),
            ],
            FORMS[data.draw(st.sampled_from(sorted(FORMS)))],
        )
    )
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(whole) // 512 - 1)) * 512
        whole[start + data.draw(st.sampled_from([0, 99, 100, 124, 135, 156, 200, 257, 345]))] = (
            data.draw(st.sampled_from(b"\x00\x20/05xLg\x80\xff"))
        )
        if any(whole[start : start + 512]):
            block = bytearray(whole[start : start + 512])
            block[148:156] = b" " * 8
            whole[start + 148 : start + 156] = b"%06o\0 " % sum(block)
    try:
        ours = read(bytes(whole))
    except tar.NotTar:
        return
    with tarfile.open(fileobj=io.BytesIO(whole), encoding="utf-8") as archive:
        theirs = [
            (each.name, archive.extractfile(each).read()) for each in archive if not each.isdir()
        ]
    # The standard library takes an old GNU header's spare fields for a part of the name.
    assert [each.content for each in ours] == [content for _, content in theirs]


def test_an_archive_that_ends_behind_an_announcement_is_refused():
    info = tarfile.TarInfo("pax_global_header")
    info.type = tarfile.XGLTYPE
    archive = info.tobuf(tarfile.USTAR_FORMAT) + bytes(1024)
    with pytest.raises(tar.NotTar):
        read(archive)
    with pytest.raises(tarfile.ReadError), tarfile.open(fileobj=io.BytesIO(archive)) as theirs:
        theirs.getmembers()


@pytest.mark.parametrize("form", ["v7", "oldgnu", "gnu", "ustar", "posix"])
def test_what_gnu_tar_writes_is_read_in_each_of_its_formats(tmp_path, form):
    (tmp_path / "folder" / "empty").mkdir(parents=True)
    (tmp_path / "folder" / ("n" * (60 if form in ("v7", "ustar") else 200))).write_bytes(b"1" * 700)
    (tmp_path / "run").write_bytes(b"#!/bin/sh\n")
    (tmp_path / "run").chmod(0o755)
    written = subprocess.run(
        ["tar", f"--format={form}", "-cf", "-", "folder", "run"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    ).stdout
    found = {each.path: each for each in wire.unpack(written)}
    assert len(found) == 2
    assert found["run"].executable and found["run"].content == b"#!/bin/sh\n"
    [other] = [each for path, each in found.items() if path.startswith("folder/n")]
    assert other.content == b"1" * 700 and not other.executable


def test_what_git_archives_is_read_though_it_begins_with_a_comment_for_all(site):
    (site.path / "a.txt").write_text("1")
    site("add", "a.txt")
    site("commit", "-q", "-m", "a file")
    archive = subprocess.run(
        ["git", "-C", str(site.path), "archive", "HEAD"], check=True, capture_output=True
    ).stdout
    assert archive[156:157] == b"g"
    assert [each.path for each in wire.unpack(archive)] == ["a.txt"]


def test_an_archive_is_refused_wherever_it_is_cut():
    whole = by_tarfile([ArchivedFile(path="n" * 120, content=b"1" * 600)], tarfile.PAX_FORMAT)
    end = whole.rindex(b"1") // 512 * 512 + 512
    for cut in range(0, end + 1, 100):
        with pytest.raises(WireError):
            wire.unpack(whole[:cut])


def test_rubbish_after_a_file_is_refused_and_what_follows_the_end_mark_is_not_read():
    good = header(b"0", 1, b"a") + padded(b"1")
    with pytest.raises(WireError, match="header at byte 1024"):
        wire.unpack(good + b"rubbish" * 200)
    assert len(wire.unpack(good + END + b"rubbish" * 200)) == 1


@pytest.mark.parametrize(
    ("archive", "said"),
    [
        (extended(b"1" * 30_000) + header(b"0", 0, b"f"), "no pax record"),
        (extended(b"1" * 150_000) + header(b"0", 0, b"f"), "extended header of 150000 bytes"),
        (extended(b"9999999 path=a\n") + header(b"0"), "no pax record"),
        (extended(b"00006 a=\n") + header(b"0"), "no pax record"),
        (extended(b"3 =\n") + header(b"0"), "no pax record"),
        (extended(record(b"a", b"b") * 9_000) * 20 + header(b"0"), "more than 131072 pax records"),
        (extended(record(b"size", b"-1")) + header(b"0"), "no size"),
        (extended(record(b"size", b"9" * 30)) + header(b"0"), "no size"),
        (extended(record(b"path", b"../x")) + header(b"0"), "not a path inside"),
        (extended(record(b"path", b"a\0b")) + header(b"0"), "not a path inside"),
        (extended(record(b"path", b"x"), b"g") + header(b"0"), "all files one name"),
        (extended(record(b"GNU.sparse.major", b"1")) + header(b"0"), "sparse"),
        (header(b"S", 0), "sparse"),
        (header(b"7", 0), "something of type '7'"),
        (header(b"V", 0), "something of type 'V'"),
        (header(b"2", link=(157, b"/etc/passwd")), "a symbolic link"),
        (header(b"5", 512, b"d") + bytes(512), "a folder with content"),
        (header(b"0", size=0, odd=(124, b"+0000000001\0")), "no number"),
        (header(b"0", size=0, odd=(124, b"0_7        \0")), "no number"),
        (header(b"0", size=0, odd=(124, b"\xff" * 11 + b"\0")), "negative"),
        (extended(record(b"mtime", b"1")), "checksum|end mark"),
        (header(b"L", 9) + padded(b"././a\0\0\0\0") + header(b"0"), "not a path inside"),
    ],
)  # fmt: skip
def test_what_is_hostile_is_refused_with_what_and_where(archive, said):
    with pytest.raises(WireError, match=said):
        wire.unpack(archive + END)


def test_a_size_in_base_256_and_one_of_pax_are_read():
    big = header(b"0", name=b"a", size=0, odd=(124, b"\x80" + (3).to_bytes(11, "big")))
    pax = extended(record(b"size", b"2") + record(b"path", "ö".encode()))
    archive = big + padded(b"123") + pax + header(b"0", 0, b"b") + padded(b"12") + END
    assert [(each.path, each.content) for each in wire.unpack(archive)] == [
        ("a", b"123"),
        ("ö", b"12"),
    ]


@pytest.mark.parametrize("kind", [b"x", b"L", b"K", b"g"])
def test_no_number_of_headers_before_a_file_is_endless(kind):
    one = extended(record(b"comment", b"v"), kind)
    with pytest.raises(WireError, match="more than 16384 headers"):
        wire.unpack(one * 20_000 + header(b"0") + END)


def as_many_as_fit(part):
    return part * ((wire.ARCHIVE_LIMIT_BYTES - 4_096) // len(part))


A_FOLDER = header(b"5", 0, b"d")
MANY_RECORDS = extended(b"".join(record(b"k%d" % number, b"v") for number in range(250)))
HOSTILE = {
    "pax headers full of records": lambda: as_many_as_fit(MANY_RECORDS + A_FOLDER),
    "folders": lambda: as_many_as_fit(A_FOLDER),
    "long names": lambda: as_many_as_fit(extended(b"n" * 65_536, b"L")),
    "attributes": lambda: extended(record(b"SCHILY.xattr.user.a", b"v" * 60_000)) * 300,
    "one long header for all": lambda: (
        extended(b"".join(record(b"k%d" % number, b"v") for number in range(100_000)), b"g")
        + (extended(record(b"a", b"b")) + A_FOLDER) * 1_500
    ),
    "digits": lambda: extended(b"1" * 150_000) + header(b"0", 0, b"f"),
    "deep folders": lambda: b"".join(
        extended(record(b"path", b"%d/" % number + b"d/" * 500 + b"f")) + header(b"0")
        for number in range(4_096)
    ),
    "many folders": lambda: b"".join(
        extended(record(b"path", b"%d/" % number + b"d/" * 62 + b"f")) + header(b"0")
        for number in range(4_096)
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_no_archive_within_the_limits_keeps_its_reader_busy(kind):
    archive = HOSTILE[kind]() + END
    begun = time.process_time()
    with contextlib.suppress(WireError):
        wire.unpack(archive)
    assert time.process_time() - begun < 2.0


def test_files_in_too_many_folders_are_refused():
    wide = [f"{number}/f" for number in range(wire.FOLDER_LIMIT)]
    wire.check_folders(wide)
    with pytest.raises(DataTooLarge, match="4097 folders"):
        wire.check_folders([*wide, "more/f"])
    wire.check_path("d/" * wire.DEPTH_LIMIT + "f")
    with pytest.raises(WireError, match="64 folders deep"):
        wire.check_path("d/" * (wire.DEPTH_LIMIT + 1) + "f")


@given(st.lists(st.sampled_from("ab-."), min_size=1, max_size=4).map("/".join), files)
def test_a_file_that_is_a_folder_too_is_found_among_any_others(path, members):
    others = {f"o/{each.path}" for each in members} | {"a/b/-/x", "b-/a"}
    is_folder = any(each.startswith(f"{path}/") for each in others) and path not in others
    if is_folder:
        with pytest.raises(WireError, match="a file and a folder"):
            wire.check_folders(others | {path})
    elif not any(path.startswith(f"{each}/") for each in others):
        wire.check_folders(others | {path})

"""Boot scripts and files over real HTTP."""

from __future__ import annotations

import hashlib
import json
import socket
import time
from contextlib import closing

import pytest

from provisioner.faces.http.server import HttpServer
from provisioner.model.hardware import Interface
from provisioner.model.ids import parse_ip, parse_mac
from provisioner.model.state import State
from provisioner.os_image import manifest
from provisioner.os_image.manifest import File, Manifest
from tests.builders import IPS, MACS, ONE, TWO, hardware, record, report, status
from tests.faces import raw_http
from tests.faces.raw_http import get
from tests.services.parts import FIRST

pytestmark = [pytest.mark.network, pytest.mark.waits]

ROOT = bytes(range(256)) * 4_096
UNKNOWN = "02:00:00:00:00:99"


def write_os(folder, root=ROOT):
    files = {}
    contents = {"vmlinuz": b"kernel", "initramfs": b"initramfs", "root.squashfs": root}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        files[name] = File(size_bytes=len(content), sha256=digest)
    made = Manifest(
        kernel="cloud",
        kernel_version="6.1",
        arch="x86_64",
        suite="bookworm",
        has_firmware=False,
        files=files,
        packages={},
    )
    (folder / "manifest.json").write_text(manifest.encode(made))
    return files


@pytest.fixture
def files(inside, tmp_path):
    found = write_os(tmp_path)
    (tmp_path / "secret").write_text("not a file of the manifest")
    inside.set_booting(os_folder=tmp_path, ipxe_folder=tmp_path)
    return found


@pytest.fixture
def server(inside, files):
    with closing(HttpServer(inside.provisioner, host="127.0.0.1", port=0)) as opened:
        yield opened


def ask(server, path, *headers, method="GET"):
    """Status, headers and body of one request."""
    answer = raw_http.ask(server, get(path, "Connection: close", *headers, method=method))
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    told = dict(line.split(": ", 1) for line in lines)
    return int(first.split()[1]), told, body


@pytest.mark.parametrize(
    "spelling", [MACS[ONE], MACS[ONE].upper(), MACS[ONE].replace(":", "-"), "080027000001"]
)
def test_a_machine_gets_its_script_in_every_spelling_of_its_mac(server, files, spelling):
    for path in (f"/boot/{spelling}/auto.ipxe", f"/boot/auto.ipxe?mac={spelling}"):
        status, headers, body = ask(server, path)
        assert (status, headers["content-type"]) == (200, "text/plain; charset=utf-8")
        assert headers["cache-control"] == "no-store"
        assert body.startswith(b"#!ipxe\n")
        assert f"tink_root_sha256={files['root.squashfs'].sha256}".encode() in body
        assert f"http://127.0.0.1:{server.port}/os/vmlinuz".encode() in body


def test_unknown_and_ignored_machines_get_the_same_bytes(inside, files):
    refused = Interface(mac=parse_mac(MACS[TWO]), ip=parse_ip(IPS[TWO]), allow_pxe=False)
    inside.set_hardware(hardware(ONE), hardware(TWO, interfaces=(refused,)))
    with closing(HttpServer(inside.provisioner, host="127.0.0.1", port=0)) as server:
        answers = {
            ask(server, f"/boot/{mac}/auto.ipxe")[2] for mac in (UNKNOWN, MACS[TWO], "nonsense")
        }
        statuses = {
            ask(server, f"/boot/{mac}/auto.ipxe")[0] for mac in (UNKNOWN, MACS[TWO], "nonsense")
        }
    assert len(answers) == 1 and statuses == {404}
    assert inside.boots.count("unknown") == 2 and inside.boots.count("ignore") == 2


def install(inside):
    made = record(ONE, workflow=FIRST, installs_os=(ONE,), arrival=1)
    inside.snapshots.swap_status(status(made), (made.id,))
    for state in (State.RUNNING, State.SUCCESS):
        inside.apply(report(0, state, workflow=FIRST))


@pytest.mark.parametrize(
    ("firmware", "end"),
    [
        ("efi", b"\nexit 1\n"),
        ("pcbios", b"\nsanboot --no-describe --drive 0x80 || exit\n"),
        ("else", b"|| exit\n"),
    ],
)
def test_an_installed_machine_goes_to_its_disk(inside, server, firmware, end):
    install(inside)
    code, _, body = ask(server, f"/boot/{MACS[ONE]}/auto.ipxe?firmware={firmware}")
    assert code == 200 and body.endswith(end)
    assert (b"iseq ${platform} efi" in body) is (firmware == "else")


def test_and_it_does_so_with_half_an_in_memory_os(inside, server, tmp_path):
    install(inside)
    (tmp_path / "root.squashfs").write_bytes(b"cut")
    (tmp_path / "manifest.json").touch()
    assert ask(server, f"/boot/{MACS[ONE]}/auto.ipxe")[0] == 200


def test_who_asks_for_the_script_of_another_machine_stands_in_the_log(server, caplog):
    ask(server, f"/boot/{MACS[ONE]}/auto.ipxe")
    ask(server, f"/boot/{MACS[ONE]}/auto.ipxe")
    warnings = [each for each in caplog.records if each.levelname == "WARNING"]
    assert len(warnings) == 1
    assert f"was asked for from 127.0.0.1; its document says {IPS[ONE]}" in warnings[0].message


def test_a_file_is_served_whole_and_named_by_its_sum(server, files):
    status, headers, body = ask(server, "/os/root.squashfs")
    assert (status, body) == (200, ROOT)
    assert headers["etag"] == f'"{files["root.squashfs"].sha256}"'
    assert headers["accept-ranges"] == "bytes"
    status, headers, body = ask(server, "/os/root.squashfs", method="HEAD")
    assert (status, headers["content-length"], body) == (200, str(len(ROOT)), b"")


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-9", 0, 9),
        ("bytes=1000-", 1000, len(ROOT) - 1),
        ("bytes=-5", len(ROOT) - 5, len(ROOT) - 1),
        (f"bytes=5-{len(ROOT) * 2}", 5, len(ROOT) - 1),
        (f"bytes=-{len(ROOT) * 2}", 0, len(ROOT) - 1),
    ],
)
def test_a_range_is_served(server, asked, first, last):
    status, headers, body = ask(server, "/os/root.squashfs", f"Range: {asked}")
    assert (status, body) == (206, ROOT[first : last + 1])
    assert headers["content-range"] == f"bytes {first}-{last}/{len(ROOT)}"


@pytest.mark.parametrize(
    "asked", ["bytes=5-1", "bytes=-", "lines=1-2", "bytes=1-2,4-5", "bytes=a-b"]
)
def test_what_is_no_range_gets_the_whole_file(server, asked):
    status, _, body = ask(server, "/os/root.squashfs", f"Range: {asked}")
    assert (status, len(body)) == (200, len(ROOT))


@pytest.mark.parametrize("asked", [f"bytes={len(ROOT)}-", "bytes=-0"])
def test_a_range_beyond_the_end_is_refused(server, asked):
    status, headers, _ = ask(server, "/os/root.squashfs", f"Range: {asked}")
    assert (status, headers["content-range"]) == (416, f"bytes */{len(ROOT)}")


def test_conditions_are_kept(server, files):
    etag = f'"{files["root.squashfs"].sha256}"'
    for tags in (etag, f'"old", {etag}', f"W/{etag}", "*"):
        status, headers, body = ask(server, "/os/root.squashfs", f"If-None-Match: {tags}")
        assert (status, headers["etag"], body) == (304, etag, b"")
    assert ask(server, "/os/root.squashfs", 'If-None-Match: "old"')[0] == 200
    old = ('If-Range: "old"', "Range: bytes=0-1")
    assert ask(server, "/os/root.squashfs", *old)[0] == 200
    assert ask(server, "/os/root.squashfs", f"If-Range: {etag}", "Range: bytes=0-1")[0] == 206


@pytest.mark.parametrize("name", ["secret", "nothing", "..%2fsecret", ".", "%00"])
def test_nothing_else_of_the_folder_is_served(server, name):
    assert ask(server, f"/os/{name}")[0] == 404
    assert ask(server, f"/ipxe/{name}")[0] == 404


def test_requests_before_a_file_are_answered_in_their_order(server):
    with raw_http.connect(server) as opened:
        opened.sendall(get("/version") + get("/os/vmlinuz") + get("/version"))
        answers = raw_http.until_closed(opened)
    assert raw_http.statuses(answers) == [200, 200]
    assert answers.endswith(b"kernel")


def test_a_changed_os_is_seen_at_once_and_half_of_one_is_an_error(inside, server, tmp_path):
    files = write_os(tmp_path, ROOT + b"more")
    time.sleep(0.01)
    (tmp_path / "manifest.json").touch()
    _, _, body = ask(server, f"/boot/{MACS[ONE]}/auto.ipxe")
    assert files["root.squashfs"].sha256.encode() in body
    (tmp_path / "root.squashfs").write_bytes(b"cut")
    (tmp_path / "manifest.json").touch()
    status, _, body = ask(server, f"/boot/{MACS[ONE]}/auto.ipxe")
    assert status == 400 and b"its manifest says" in body


def test_many_slow_machines_load_while_others_are_answered(server):
    slow = []
    try:
        for _ in range(40):
            opened = raw_http.connect(server)
            opened.sendall(get("/os/root.squashfs"))
            slow.append(opened)
        assert json.loads(ask(server, "/version")[2])["name"] == "tinkgit"
        for opened in slow:
            answer = raw_http.until_closed(opened)
            assert answer.endswith(ROOT[-1_000:])
    finally:
        for opened in slow:
            opened.close()


def test_a_machine_that_goes_away_frees_its_sender(server):
    for _ in range(3):
        with raw_http.connect(server) as opened:
            opened.sendall(get("/os/root.squashfs"))
            opened.recv(10)
    files = server._gate.files
    raw_http.eventually(lambda: files.count == 0)


def test_closing_breaks_off_what_is_under_way(inside, files):
    server = HttpServer(inside.provisioner, host="127.0.0.1", port=0)
    with raw_http.connect(server) as opened:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        opened.sendall(get("/os/root.squashfs"))
        opened.recv(10)
        server.close()
        assert server._gate.files.count == 0


def test_a_rack_that_is_switched_on_is_answered_to_the_last_machine(server):
    """Whoever is refused goes on to its next boot device: more ask than other reads may wait."""
    asking = [raw_http.connect(server) for _ in range(400)]
    try:
        for opened in asking:
            opened.sendall(get(f"/boot/{MACS[ONE]}/auto.ipxe", "Connection: close"))
        answers = [raw_http.until_closed(opened) for opened in asking]
    finally:
        for opened in asking:
            opened.close()
    assert {status for each in answers for status in raw_http.statuses(each)} == {200}

"""`tink machine` and `tink boot`, with and without a server."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from ruamel.yaml import YAML

from provisioner import wiring
from provisioner.config import BootSettings, ServerSettings
from provisioner.faces.http.server import HttpServer
from tests.faces import raw_http
from tests.services.running import eventually

N1, N2 = "08:00:27:00:00:01", "08:00:27:00:00:02"
STRANGER = "08:00:27:00:00:99"
ROOT = Path(__file__).resolve().parents[2]
CONTROL = "\x1b]0;owned\x07\x9b31m"


@pytest.fixture
def server(home):
    """A real server on the repository; with an idle machine waiting in memory."""
    settings = ServerSettings(
        repo=str(home),
        host="127.0.0.1",
        port=0,
        boot=BootSettings(idle="memory", osie_url="http://192.168.1.1/hook"),
    )
    opened = wiring.Server(
        settings, lambda provisioner, _: HttpServer(provisioner, host="127.0.0.1", port=0)
    )
    try:
        eventually(opened.provisioner.is_ready, "the first pass")
        yield opened.face
    finally:
        opened.close()


def test_machines_are_listed_without_a_server(tink, home):
    done = tink("machine", "list", "-o", "json")
    machines = json.loads(done.out)
    assert [(each["hostname"], each["state"], each["boot"]) for each in machines] == [
        ("n1", "never seen", "ignore"),
        ("n2", "never seen", "ignore"),
    ]
    assert {each["last_contact"] for each in machines} == {""}
    table = tink("machine", "list")
    assert "| n1       | 08:00:27:00:00:01 | 192.168.1.5 | never seen | ignore |" in table.out
    assert tink("machine", "list", "-o", "yaml").code == 0
    assert tink("machine", "list", "-q").out.split() == [each["id"] for each in machines]


@pytest.mark.network
def test_a_server_knows_who_asked(tink, home, server):
    for mac in (N1, STRANGER):
        raw_http.ask(server, raw_http.get(f"/boot/{mac}/auto.ipxe", "Connection: close"))
    found = json.loads(tink("machine", "list", "--server", server.address, "-o", "json").out)
    states = {each["mac"]: each["state"] for each in found}
    assert states == {N1: "booting", N2: "never seen", STRANGER: "unknown"}
    done = tink("machine", "show", "n1", "--server", server.address, "-o", "yaml")
    shown = YAML(typ="safe").load(done.out)
    assert (shown["mac"], shown["boot"]) == (N1, "memory")
    assert shown["contacts"]["boot"]["detail"] == "memory" and shown["last_contact"]
    table = tink("machine", "show", "n1", "--server", server.address).out
    assert "contact: boot" in table and "because" not in table


@pytest.mark.parametrize(
    "name", ["n1", N1, "08-00-27-00-00-01", "192.168.1.5", "CE2E62ED-826F-4485-A39F-A82BB74338E2"]
)
def test_a_machine_is_found_by_every_name(tink, home, name):
    done = tink("machine", "show", name, "-o", "json")
    assert (done.code, json.loads(done.out)["mac"]) == (0, N1)
    assert f"# {N1}: ignore, because" in tink("boot", "show", name).out


@pytest.mark.parametrize("command", ["machine", "boot"])
def test_an_unknown_machine_and_an_ambiguous_name_are_errors(tink, home, command):
    done = tink(command, "show", "n9")
    assert (done.code, done.out) == (1, "")
    assert "n9" in done.err and "tink machine list" in done.err
    text = (home / "hardware").glob("*.yaml")
    for path in text:
        path.write_text(path.read_text().replace("hostname: n2", "hostname: n1"))
    subprocess.run(["git", "commit", "-qam", "Call both n1"], check=True)
    done = tink(command, "show", "n1")
    assert done.code == 1
    assert "2 machines are called 'n1'" in done.err and f"{N1}, {N2}" in done.err


@pytest.mark.network
def test_a_server_that_is_away_or_none_is_told(tink, home):
    done = tink("machine", "list", "--server", "http://127.0.0.1:1")
    assert done.code == 1 and "is tink serve running there?" in done.err
    done = tink("machine", "list", "--server", "127.0.0.1:42114")
    assert done.code == 1 and "Hint: http://" in done.err


@pytest.mark.network
def test_a_server_names_what_it_does_not_have_and_what_several_are(tink, home, server):
    done = tink("machine", "show", "08:00:27:00:00:98", "--server", server.address)
    assert (done.code, done.out) == (1, "")
    assert "no machine '08:00:27:00:00:98'" in done.err and "tink machine list" in done.err
    for path in (home / "hardware").glob("*.yaml"):
        path.write_text(path.read_text().replace("hostname: n2", "hostname: n1"))
    subprocess.run(["git", "commit", "-qam", "Call both n1"], check=True)
    eventually(
        lambda: f"{N1}, {N2}" in tink("machine", "show", "n1", "--server", server.address).err,
        "the two that are called n1",
    )


@contextmanager
def answering(content, status=200):
    """Some server that answers this to everything."""

    class Other(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Other) as opened:
        Thread(target=opened.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{opened.server_port}"
        opened.shutdown()


@pytest.mark.network
@pytest.mark.parametrize("content", [b"<html>", b"[]", b"{}", b'{"id": 5}', b"\xff", b"null"])
def test_another_server_than_ours_is_named_so(tink, home, content):
    with answering(content) as url:
        for words in (("list",), ("show", "n1")):
            done = tink("machine", *words, "--server", url)
            assert (done.code, done.out) == (1, "")
            assert f"what answers at {url} is no tink serve" in done.err


@pytest.mark.network
@pytest.mark.parametrize(
    ("status", "content", "shown"),
    [
        (500, b"<html>\x1b[31m", "answers 500"),
        (404, b"not here", "answers 404"),
        (404, b'{"error": {"message": "\\u001b[31mno", "hint": "\\u009b"}}', "[31mno"),
    ],
)
def test_what_a_server_refuses_with_reaches_no_terminal_as_it_is(
    tink, home, status, content, shown
):
    with answering(content, status) as url:
        done = tink("machine", "show", "n1", "--server", url)
    assert done.code == 1 and shown in done.err
    assert {"\x1b", "\x9b"}.isdisjoint(done.err)


@pytest.mark.network
def test_what_a_server_says_reaches_no_terminal_as_it_is(tink, home):
    """Not every server that answers is ours."""
    machine = dict.fromkeys(("id", "hostname", "mac", "ip", "state", "boot", "reason"), CONTROL)
    machine |= {"workflow": CONTROL, "last_contact": CONTROL, "path": CONTROL}
    machine["contacts"] = {CONTROL: {"at": CONTROL, "detail": CONTROL}}

    with answering(json.dumps(machine).encode() + b"\n") as url:
        for words in (("list",), ("list", "-o", "wide"), ("list", "-q"), ("show", "x")):
            done = tink("machine", *words, "--server", url)
            assert done.code == 0
            assert {"\x1b", "\x07", "\x9b"}.isdisjoint(done.out)
        for form in ("json", "yaml"):
            done = tink("machine", "list", "--server", url, "-o", form)
            assert {"\x1b", "\x07", "\x9b"}.isdisjoint(done.out) and "owned" in done.out


def test_a_script_is_printed_without_a_machine(tink, home):
    options = ("--idle", "memory", "--osie-url", "http://192.168.1.1/hook")
    done = tink("boot", "show", "n1", "--firmware", "efi", *options)
    assert done.code == 0
    assert done.out.startswith(f"# {N1}: memory, because")
    assert "#!ipxe" in done.out and "http://192.168.1.1/hook" in done.out


def test_a_mac_that_nobody_has_is_ignored(tink, home):
    done = tink("boot", "show", STRANGER)
    assert done.code == 0
    assert done.out == f"# {STRANGER}: ignore, because no hardware document has this MAC\n"


def test_a_script_of_a_document_is_printed_as_it_is_but_a_terminal_obeys_none_of_it(tink, home):
    path = home / "hardware" / "n1.yaml"
    document = YAML(typ="safe").load(path.read_text())
    contents = f"#!ipxe\necho {CONTROL}\n"
    document["network"]["interfaces"][0]["netboot"]["ipxe"] = {"contents": contents}
    path.write_text(json.dumps(document))
    subprocess.run(["git", "commit", "-qam", "Boot a script"], check=True)
    assert tink("boot", "show", "n1").out.partition("\n")[2] == contents
    terminal, inside = pty.openpty()
    words = [sys.executable, "-m", "provisioner.cli", "boot", "show", "n1"]
    subprocess.run(words, check=True, stdout=inside, env={**os.environ, "PYTHONPATH": str(ROOT)})
    os.close(inside)
    shown = os.read(terminal, 65_536).decode()
    os.close(terminal)
    assert "owned" in shown and {"\x1b", "\x07", "\x9b"}.isdisjoint(shown)


@pytest.mark.parametrize(
    ("option", "value", "shown"),
    [
        ("--boot-url", "192.168.1.1:42114", "--boot-url is '192.168.1.1:42114'"),
        ("--osie-url", "hook", "--osie-url is 'hook'"),
        ("--osie-url", "http://x/a b", "--osie-url: 'http://x/a b' can't stand in a boot script"),
        ("--osie-kernel", "k-{arch}-{0}", "--osie-kernel: 'k-{arch}-{0}' can't stand"),
        ("--grpc-authority", "x;y", "--grpc-authority: 'x;y' can't stand in a boot script"),
        ("--kernel-arguments", "a;b", "--kernel-arguments: 'a;b' can't stand in a boot script"),
        ("--kernel-arguments", "'a", "--kernel-arguments: No closing quotation"),
        ("--trust-proxy", "10.0.0.0/8", "--trust-proxy: '10.0.0.0/8' is not an IP address"),
    ],
)
def test_an_option_that_no_machine_could_use_is_refused_at_once(tink, home, option, value, shown):
    for words in (("boot", "show", "n1"), ("serve", "--listen", "127.0.0.1:0")):
        done = tink(*words, option, value)
        assert done.code == 1 and shown in done.err


def test_other_dhcp_servers_get_their_configuration(tink, home):
    url = ("--boot-url", "http://192.168.1.1")
    done = tink("boot", "config", "dnsmasq", *url)
    assert "dhcp-host=08:00:27:00:00:01,set:o" in done.out
    assert json.loads(tink("boot", "config", "kea", *url).out)["Dhcp4"]["subnet4"]
    assert "hardware ethernet 08:00:27:00:00:01;" in tink("boot", "config", "isc", *url).out
    done = tink("boot", "config", "isc")
    assert done.code == 1 and "--boot-url http://192.168.1.1:42114" in done.err
    done = tink("boot", "config", "isc", "--boot-url", "http://boot.example")
    assert done.code == 1 and "has no IPv4 address" in done.err

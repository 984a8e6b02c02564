"""A DHCP client that speaks for any machine, in packets (RFC 2131, RFC 4578).

    python dhcp_client.py INTERFACE < questions.json

Each question is a map with a `mac`, and where it matters `arch`, `user_class`, `kind`, `ip`, `to`
and `port`; the answers are a list for each question, empty where nobody answered.  It runs in the
network namespace of the machines, and imports nothing of ours.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import sys
from typing import Any

MAGIC = b"\x63\x82\x53\x63"
DISCOVER, REQUEST = 1, 3
WANTED = bytes([1, 3, 6, 12, 15, 42, 43, 51, 54, 60, 66, 67, 121, 132, 175])
QUIET_SECONDS = 2.0  # without another answer


def packet(
    xid: int, mac: str, *, kind: int = DISCOVER, options: bytes = b"", ip: str = ""
) -> bytes:
    """What a client broadcasts; it asks to be answered by broadcast."""
    address = socket.inet_aton(ip or "0.0.0.0")
    head = struct.pack("!BBBBIHH", 1, 1, 6, 0, xid, 0, 0x8000) + address + bytes(12)
    chaddr = bytes.fromhex(mac.replace(":", "")).ljust(16, b"\0")
    ours = bytes([53, 1, kind]) + bytes([55, len(WANTED)]) + WANTED + bytes([57, 2, 5, 192])
    return head + chaddr + bytes(192) + MAGIC + ours + options + b"\xff"


def boot_options(arch: int | None, user_class: str) -> bytes:
    """What firmware (`arch`, option 93) and iPXE (`user_class`) add."""
    found = b""
    if arch is not None:
        kind = "HTTPClient" if arch in (16, 19) else "PXEClient"
        vendor = f"{kind}:Arch:{arch:05}:UNDI:003016".encode()
        found += bytes([93, 2]) + struct.pack("!H", arch) + bytes([60, len(vendor)]) + vendor
        found += bytes([94, 3, 1, 3, 16]) + bytes([97, 17, 0]) + bytes(range(16))
    if user_class:
        found += bytes([77, len(user_class)]) + user_class.encode() + bytes([175, 3, 177, 1, 1])
    return found


def parse(answer: bytes) -> dict[str, Any]:
    """Its fields, and its options as hexadecimal text by number."""
    options: dict[int, str] = {}
    at = 240
    while at < len(answer) and answer[at] != 255:
        code = answer[at]
        if code == 0:
            at += 1
            continue
        length = answer[at + 1]
        options[code] = options.get(code, "") + answer[at + 2 : at + 2 + length].hex()
        at += 2 + length
    return {
        "ip": socket.inet_ntoa(answer[16:20]),
        "next_server": socket.inet_ntoa(answer[20:24]),
        "file": answer[108:236].rstrip(b"\0").decode("latin-1"),
        "options": options,
    }


def opened(interface: str) -> socket.socket:
    asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    asking.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    asking.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    asking.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
    asking.bind(("", 68))
    return asking


def ask(asking: socket.socket, questions: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Send the questions and gather the answers until it is quiet."""
    for number, question in enumerate(questions):
        sent = packet(
            number,
            question["mac"],
            kind=question.get("kind", DISCOVER),
            options=boot_options(question.get("arch"), question.get("user_class", "")),
            ip=question.get("ip", ""),
        )
        asking.sendto(sent, (question.get("to", "255.255.255.255"), question.get("port", 67)))
    answers: list[list[dict[str, Any]]] = [[] for _ in questions]
    asking.settimeout(QUIET_SECONDS)
    with contextlib.suppress(TimeoutError):
        while True:
            answer = asking.recv(2_048)
            answers[struct.unpack("!I", answer[4:8])[0]].append(parse(answer))
    return answers


if __name__ == "__main__":
    with opened(sys.argv[1]) as client:
        json.dump(ask(client, json.load(sys.stdin)), sys.stdout)

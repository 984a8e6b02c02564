"""HTTP by hand, for tests that send what no library would."""

from __future__ import annotations

import re
import socket
import time


def get(path, *headers, version="1.1", method="GET"):
    lines = [f"{method} {path} HTTP/{version}", "Host: x", *headers]
    return "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n"


def post(path, body, *headers, method="POST"):
    return get(path, f"Content-Length: {len(body)}", *headers, method=method) + body


def chunked(path, *headers, method="POST"):
    return get(path, "Transfer-Encoding: chunked", *headers, method=method)


def until_closed(opened):
    parts = []
    while part := opened.recv(65_536):
        parts.append(part)
    return b"".join(parts)


def statuses(answers):
    return [int(each) for each in re.findall(rb"HTTP/1\.1 (\d+)", answers)]


def connect(server, **options):
    return socket.create_connection(("127.0.0.1", server.port), timeout=20, **options)


def ask(server, request):
    """Ask on a connection of its own; the request should close it."""
    with connect(server) as opened:
        opened.sendall(request)
        return until_closed(opened)


def send_what_goes(opened, data, seconds=0.5):
    """Send until nobody takes any more; returns how many bytes went."""
    opened.settimeout(seconds)
    sent = 0
    try:
        while sent < len(data):
            sent += opened.send(data[sent : sent + 262_144])
    except OSError:
        pass
    return sent


def eventually(condition, seconds=10.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError(f"it did not come true in {seconds} seconds")

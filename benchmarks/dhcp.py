"""How many machines a second get their address, and how soon a change is answered.

    python -m benchmarks.dhcp [--machines 1000 10000] [--seconds 4]

A real dnsmasq of `tink serve --dhcp`, on a wire of the kernel's; needs root.  Each machine asks
once (DISCOVER, with firmware's options), so many at once as a switch passes on.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.boot import dhcp_client
from tests.boot.lab import Lab, until
from tests.boot.site import Site

AT_ONCE = 64
ROUNDS = 5


def _mac(number: int) -> str:
    return f"02:00:01:00:{number >> 8:02x}:{number & 255:02x}"


def _document(number: int, idle: str) -> str:
    dhcp = {
        "mac": _mac(number),
        "hostname": f"n{number}",
        "ip": {
            "address": f"10.78.{(number + 256) >> 8}.{number & 255}",
            "netmask": "255.255.0.0",
            "gateway": "10.78.0.1",
        },
    }
    interface = {"dhcp": dhcp, "netboot": {"allow_pxe": True, "idle": idle}}
    identity = f"00000000-0000-4000-8000-{number:012x}"
    return json.dumps({"id": identity, "network": {"interfaces": [interface]}})


def _measure(machines: int, seconds: float) -> None:
    with tempfile.TemporaryDirectory(prefix="tinkgit-dhcp-") as name, Lab(Path(name)) as lab:
        lab.ip("address", "add", "10.78.0.1/16", "dev", "br0")
        site = Site(lab, Path(name))
        for number in range(machines):
            path = site.repo / "hardware" / f"n{number}.json"
            path.write_text(_document(number, "memory"))
        site.commit("Add machines")
        clients = lab.add_segment("clients")
        site.serve()
        log = (Path(name) / "server.log").read_text
        until(lambda: "dnsmasq answers" in log(), 120)
        words = [sys.executable, "-m", "benchmarks.dhcp", "--ask", str(machines), str(seconds)]
        done = subprocess.run(
            lab.inside(words, clients), check=True, capture_output=True, text=True
        )
        print(f"{machines} machines: {done.stdout.strip()}", flush=True)
        took = []
        for idle in ("ignore", "memory") * ROUNDS:
            (site.repo / "hardware" / "n0.json").write_text(_document(0, idle))
            site.commit(f"Let n0 {idle}")
            begun = time.monotonic()
            words = [sys.executable, "-m", "benchmarks.dhcp", "--until", idle]
            subprocess.run(lab.inside(words, clients), check=True)
            took.append(time.monotonic() - begun)
        took.sort()
        print(
            f"{machines} machines: from a commit to the changed answer: median"
            f" {took[len(took) // 2]:.2f} s, longest {took[-1]:.2f} s",
            flush=True,
        )


def _ask(machines: int, seconds: float) -> None:
    """Keep so many questions under way, and count the answers."""
    options = dhcp_client.boot_options(0, "")
    with dhcp_client.opened("eth0") as asking:
        asking.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_388_608)
        asking.settimeout(0.5)
        begun, sent, answered, lost = time.monotonic(), 0, 0, 0
        waiting = 0
        while time.monotonic() < begun + seconds:
            while waiting < AT_ONCE:
                text = dhcp_client.packet(sent, _mac(sent % machines), options=options)
                asking.sendto(text, ("255.255.255.255", 67))
                sent, waiting = sent + 1, waiting + 1
            try:
                asking.recv(2_048)
                answered, waiting = answered + 1, waiting - 1
            except TimeoutError:
                lost, waiting = lost + waiting, 0
        took = time.monotonic() - begun
    print(f"{answered / took:,.0f} answers a second, {lost} lost of {sent}")


def _await(idle: str) -> None:
    """Ask until the answer is the new one.  Two may answer while one replaces the other."""
    options = dhcp_client.boot_options(0, "")
    end = time.monotonic() + 60
    with dhcp_client.opened("eth0") as asking:
        asking.settimeout(0.02)
        number = 0
        while time.monotonic() < end:
            number += 1
            text = dhcp_client.packet(number, _mac(0), options=options)
            asking.sendto(text, ("255.255.255.255", 67))
            with contextlib.suppress(TimeoutError):
                while True:
                    found = dhcp_client.parse(asking.recv(2_048))
                    if (67 in found["options"]) == (idle == "memory"):
                        return
    raise SystemExit("the answer did not change")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--machines", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--ask", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--until", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.ask:
        _ask(int(options.ask[0]), float(options.ask[1]))
    elif options.until:
        _await(options.until)
    else:
        for machines in options.machines:
            _measure(machines, options.seconds)


if __name__ == "__main__":
    main()

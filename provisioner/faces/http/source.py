"""Who asks, and at which of our addresses: by the connection, or as a trusted proxy says."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from provisioner.faces.http.answers import Call
from provisioner.services.booting import Booting


def address_of(call: Call, proxies: Iterable[str]) -> str:
    """The client's IP address.

    `X-Forwarded-For` counts only from a proxy that the operator named, and of its list only
    the last entry, which that proxy wrote itself.  "" for an entry that is no address.
    """
    address = _spelt(call.client)
    if address in proxies:
        last = call.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
        return _spelt(last) if last else address
    return address


def server_url(booting: Booting, call: Call) -> str:
    """Our address as this machine reaches us."""
    if booting.settings.url:
        return booting.settings.url
    host, port = call.server
    host = _spelt(host) or host
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _spelt(text: str) -> str:
    """An address in its one spelling; that of IPv4 within IPv6 as IPv4; "" for other text."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)

"""What names a thing, and in which spellings people write it.

Every identifier that enters (file, flag, URL, report) passes one of the `parse_*`
functions here, so that inside the program it has one spelling and no surprises: it
never starts with a dash, never holds a slash, a space or a control character.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import NewType
from uuid import NAMESPACE_URL, UUID, uuid5

from provisioner.errors import UserError

HardwareId = NewType("HardwareId", str)
TemplateId = NewType("TemplateId", str)
WorkflowId = NewType("WorkflowId", str)
ReportId = NewType("ReportId", str)
MacAddress = NewType("MacAddress", str)
IpAddress = NewType("IpAddress", str)
CommitId = NewType("CommitId", str)
BlobId = NewType("BlobId", str)
TreeId = NewType("TreeId", str)

# A template's id follows from its name, so that the file may be renamed or rewritten.
TEMPLATE_NAMESPACE = uuid5(NAMESPACE_URL, "https://tinkgit.dev/template")
HARDWARE_NAMESPACE = uuid5(NAMESPACE_URL, "https://tinkgit.dev/hardware")

_BARE_HEX = re.compile(r"[0-9a-fA-F]+\Z")
_OCTETS = re.compile(r"[0-9a-fA-F]{1,2}([:-])(?:[0-9a-fA-F]{1,2}\1)*[0-9a-fA-F]{1,2}\Z")
_USUAL_MAC = re.compile(r"[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){5}\Z")
_DOTTED = re.compile(r"[0-9a-fA-F]{4}(?:\.[0-9a-fA-F]{4})+\Z")
# Go's net.ParseMAC knows 6 (Ethernet), 8 (EUI-64) and 20 octets (IP over InfiniBand).
_MAC_OCTETS = frozenset({6, 8, 20})
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
_USUAL_UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\Z")
_DAY_MILLISECONDS = 86_400_000
_REPORT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}\Z")

_BEGINNING = re.compile(r"[0-9a-fA-F][0-9a-fA-F-]{3,34}\Z")


class InvalidId(UserError):
    """The text is not an identifier of its kind."""


def parse_mac(text: str) -> MacAddress:
    """Read a MAC as Go's parser does, and also bare (`080027000001`) or short octets.

    Returns lower-case octets joined by colons.
    """
    if _USUAL_MAC.match(text):
        return MacAddress(text.lower())
    if _OCTETS.match(text):
        octets = [octet.zfill(2) for octet in re.split("[:-]", text)]
    elif _DOTTED.match(text) or (_BARE_HEX.match(text) and len(text) % 2 == 0):
        digits = text.replace(".", "")
        octets = [digits[at : at + 2] for at in range(0, len(digits), 2)]
    else:
        octets = []
    if len(octets) not in _MAC_OCTETS:
        raise InvalidId(f"{text!r} is not a MAC address", hint="write it as 08:00:27:00:00:01")
    return MacAddress(":".join(octets).lower())


def parse_ip(text: str) -> IpAddress:
    """Read an IPv4 or IPv6 address; IPv6 comes back in its short form."""
    try:
        return IpAddress(str(ipaddress.ip_address(text)))
    except ValueError:
        raise InvalidId(f"{text!r} is not an IP address", hint="write it as 192.168.1.5") from None


def parse_uuid(text: str, kind: str = "id") -> str:
    """Read a UUID in its usual spelling; it comes back in lower case."""
    value = text.lower()
    if not _UUID.match(value):
        raise InvalidId(
            f"{kind} {text!r} is not a UUID",
            hint="a UUID looks like 0eba0bf8-3772-4b4a-ab9f-6ebe93b90a94",
        )
    return value


def parse_report_id(text: str) -> ReportId:
    if not _REPORT_ID.match(text):
        raise InvalidId(f"report_id {text[:40]!r} is not 1 to 128 letters, digits or _.:-")
    return ReportId(text)


def template_id(name: str) -> TemplateId:
    return TemplateId(str(uuid5(TEMPLATE_NAMESPACE, name)))


def hardware_id(namespace: str, name: str) -> HardwareId:
    """The id of a Kubernetes-era Hardware that brings none: it follows from its name."""
    return HardwareId(str(uuid5(HARDWARE_NAMESPACE, f"{namespace}/{name}")))


def new_workflow_id(milliseconds: int, randomness: bytes) -> WorkflowId:
    """Mint a UUIDv7 (RFC 9562) from a Unix time in milliseconds and 10 random bytes."""
    head = milliseconds.to_bytes(6, "big")
    octets = bytearray(head + randomness[:10])
    octets[6] = 0x70 | (octets[6] & 0x0F)
    octets[8] = 0x80 | (octets[8] & 0x3F)
    return WorkflowId(str(UUID(bytes=bytes(octets))))


@lru_cache(maxsize=1_024)  # a date takes 2 µs to write, and a day has many workflows
def _day(number: int) -> str:
    return f"{datetime.fromtimestamp(number * 86_400, UTC):%Y/%m/%d}"


@lru_cache(maxsize=10_000)  # each path of a workflow asks for it
def shard(workflow: WorkflowId) -> str:
    """Return the folder of a workflow on the status branch; it follows from the id alone.

    A UUIDv7 goes by its day and two random digits, so that the busy folders stay small
    (100,000 workflows: 5 ms for a batch of changes, against 47 ms in plain hex shards).
    Any other UUID goes by a hash.
    """
    if _USUAL_UUID7.match(workflow):
        milliseconds = int(workflow[:8] + workflow[9:13], 16)
    elif (value := UUID(workflow)).version == 7:
        milliseconds = value.int >> 80
    else:
        digest = hashlib.sha256(workflow.encode()).hexdigest()
        return f"other/{digest[:2]}/{digest[2:4]}"
    return f"{_day(milliseconds // _DAY_MILLISECONDS)}/{workflow[-2:]}"


def is_beginning(text: str) -> bool:
    """Whether it may be the beginning of a UUID: enough of it that one does not type by chance."""
    return _BEGINNING.match(text) is not None

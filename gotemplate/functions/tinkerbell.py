"""Tinkerbell's own functions, as they are today and as they were in tink v0.7 to v0.10.

Then, before sprig came, `contains .text "part"` took the text first; sprig takes it last.
"""

from __future__ import annotations

import ipaddress

from gotemplate.functions.signature import CallFault, Function, function, table

_CLASSIC_PREFIXES = ("/dev/sd", "/dev/vd", "/dev/xvd", "/dev/hd")


def format_partition(device: str, partition: int) -> str:
    """/dev/sda 1 is /dev/sda1, /dev/nvme0n1 1 is /dev/nvme0n1p1."""
    if device.startswith("/dev/disk/"):
        return f"{device}-part{int(partition)}"
    if device[-1:].isascii() and device[-1:].isdigit():
        return f"{device}p{int(partition)}"
    return f"{device}{int(partition)}"


def classic_format_partition(device: str, partition: int) -> str:
    """What is neither an NVMe nor a disk with a letter stays as it is."""
    if device.startswith("/dev/nvme"):
        return f"{device}p{int(partition)}"
    if device.startswith(_CLASSIC_PREFIXES):
        return f"{device}{int(partition)}"
    return device


def netmask_to_prefix_length(netmask: str) -> str:
    """255.255.255.0 is "24".

    A mask with holes, of which Tinkerbell says 0, is refused: nobody means the whole internet.
    """
    try:
        address = ipaddress.ip_address(netmask)
    except ValueError as error:
        raise CallFault(f"{netmask!r} is no netmask") from error
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is None:
            raise CallFault(f"{netmask!r} is no IPv4 netmask")
        address = address.ipv4_mapped
    bits = f"{int(address):032b}"
    length = bits.count("1")
    if bits != "1" * length + "0" * (32 - length):
        raise CallFault(f"{netmask!r} is no netmask: its ones do not come before its zeros")
    return str(length)


TINKERBELL: dict[str, Function] = table(
    function("formatPartition", "string int", format_partition),
    function("netmaskToPrefixLength", "string", netmask_to_prefix_length),
)

CLASSIC: dict[str, Function] = table(
    function("contains", "string string", lambda text, part: part in text),
    function("formatPartition", "string int", classic_format_partition),
    function("hasPrefix", "string string", lambda text, part: text.startswith(part)),
    function("hasSuffix", "string string", lambda text, part: text.endswith(part)),
)

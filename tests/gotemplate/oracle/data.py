"""The data that golden cases share, in the manner of a workflow request with hardware."""

from __future__ import annotations

DATA: dict[str, object] = {
    "name": "hello",
    "device_1": "08:00:27:00:00:01",
    "key-dash": "dashed",
    "empty": "",
    "zero": 0,
    "n": 3,
    "neg": -7,
    "big": 1000000,
    "huge": 12345678901,
    "pi": 3.14159,
    "half": 0.5,
    "tiny": 0.0000125,
    "yes": True,
    "no": False,
    "null": None,
    "list": ["a", "b", "c"],
    "nums": [3, 1, 2],
    "mixed": [1, "x", True, None, 2.5, [1], {"k": "v"}],
    "none": [],
    "map": {"b": 2, "a": 1, "c": {"d": "deep"}},
    "emptymap": {},
    "disks": [
        {"device": "/dev/sda", "size": 10},
        {"device": "/dev/nvme0n1", "size": 20},
    ],
    "text": "line one\nline two\n",
    "spaced": "  a b\tc ",
    "html": '<a href="x">it\'s & "q"</a>',
    "uni": "héllo wörld ✓",
    "b64": "aGVsbG8=",
    "json": '{"a":[1,2.5,"x"],"b":null}',
    "yaml": "a: 1\nb: [x, z]\n",
    "Hardware": {
        "Disks": ["/dev/sda", "/dev/sdb"],
        "Interfaces": [{"DHCP": {"MAC": "52:54:00:12:34:56", "IP": {"Address": "10.0.0.5"}}}],
        "UserData": "#cloud-config\nusers: []\n",
    },
}

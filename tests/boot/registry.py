"""Puts an image into a registry over its HTTP API, without an engine.

python registry.py http://HOST:PORT NAME TAG LAYER.tar
"""

from __future__ import annotations

import gzip
import hashlib
import json
import sys
import urllib.request
import urllib.response
from pathlib import Path

_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG = "application/vnd.docker.container.image.v1+json"
_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


def push(registry: str, name: str, tag: str, layer: bytes) -> None:
    packed = gzip.compress(layer, mtime=0)
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
        }
    ).encode()
    for blob in (packed, config):
        started = _ask("POST", f"{registry}/v2/{name}/blobs/uploads/")
        place = started.headers["Location"]
        mark = "&" if "?" in place else "?"
        _ask("PUT", f"{place}{mark}digest={_digest(blob)}", blob, "application/octet-stream")
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": {"mediaType": _CONFIG, "size": len(config), "digest": _digest(config)},
        "layers": [{"mediaType": _LAYER, "size": len(packed), "digest": _digest(packed)}],
    }
    _ask("PUT", f"{registry}/v2/{name}/manifests/{tag}", json.dumps(manifest).encode(), _MANIFEST)


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _ask(method: str, url: str, body: bytes = b"", kind: str = "") -> urllib.response.addinfourl:
    headers = {"Content-Type": kind} if kind else {}
    request = urllib.request.Request(url, data=body, method=method, headers=headers)
    return urllib.request.urlopen(request, timeout=30)


if __name__ == "__main__":
    registry, name, tag, layer = sys.argv[1:]
    push(registry, name, tag, Path(layer).read_bytes())

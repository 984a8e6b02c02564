"""A Docker engine of one's own, with an image in it and no network.

A private dockerd in a temporary folder: the machine's own engine, its images and its firewall
rules stay untouched.  It installs nothing, reaches no registry but one on the loopback
interface, and leaves nothing behind.  The demo and the tests share it.
"""

from __future__ import annotations

import http.client
import io
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import quote

from provisioner.errors import Unavailable, UserError

START_SECONDS = 60
STOP_SECONDS = 20  # dockerd gives its containers 10 seconds
CAP_SYS_RESOURCE = 24
LOG_END_BYTES = 2_000  # what a failed start quotes of the engine's log

# Without this capability in our bounding set nothing can be `--privileged`: runc fails to hand
# on what it does not have.  The wrapper asks for one capability less.
RUNC_WRAPPER = """\
#!{python}
import json, os, sys
words = sys.argv[1:]
if {{"create", "run"}} & set(words) and "--bundle" in words:
    path = os.path.join(words[words.index("--bundle") + 1], "config.json")
    with open(path) as file:
        config = json.load(file)
    for names in config.get("process", {{}}).get("capabilities", {{}}).values():
        if "CAP_SYS_RESOURCE" in names:
            names.remove("CAP_SYS_RESOURCE")
    with open(path, "w") as file:
        json.dump(config, file)
os.execv({runc!r}, ["runc", *words])
"""


class EngineMissing(UserError):
    """This machine can't start an engine as it is; the hint says what to do."""


@dataclass(slots=True)
class Engine:
    """One running dockerd.  `stop` ends it and removes its folder; `halt` and `resume` are
    for whoever wants to see what happens when the engine goes away."""

    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def socket(self) -> Path:
        return self.folder / "docker.sock"

    @property
    def url(self) -> str:
        """What `DOCKER_HOST` wants."""
        return f"unix://{self.socket}"

    def import_image(self, reference: str, root: bytes, *, command: str = "/bin/sh") -> None:
        import_image(self.socket, reference, root, command=command)

    def halt(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End the daemon and keep its folder."""
        if self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def resume(self) -> None:
        """Start the daemon again over the same folder."""
        # A killed dockerd takes its containerd along and leaves the files that tell of both; the
        # next one would wait for a containerd that is a zombie where nobody reaps.
        for stale in ("pid", "docker.sock", "exec/containerd/containerd.pid"):
            (self.folder / stale).unlink(missing_ok=True)
        self.process = _launch(self.folder)
        _await_answer(self)

    def stop(self) -> None:
        self.halt()
        _unmount_below(self.folder)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def check_prerequisites() -> None:
    """Raise EngineMissing where no engine could be started."""
    if os.geteuid() != 0:
        raise EngineMissing("a Docker engine needs root", hint="run it as root, or with sudo")
    if _find("dockerd") is None or _find("runc") is None:
        raise EngineMissing(
            "there is no dockerd on this machine",
            hint="apt-get install -y --no-install-recommends docker.io",
        )


def answers(engine_socket: Path) -> bool:
    """Say whether an engine listens there that we may use."""
    try:
        return _ask(engine_socket, "GET", "/_ping")[0] == 200
    except OSError:
        return False


def import_image(
    engine_socket: Path, reference: str, root: bytes, *, command: str = "/bin/sh"
) -> None:
    """Make an image of a tar archive, as `docker import` does."""
    changes = (f'CMD ["{command}"]', "ENV PATH=/bin")
    words = "&".join(f"changes={quote(change)}" for change in changes)
    repository, _, tag = reference.rpartition(":")
    path = f"/images/create?fromSrc=-&repo={quote(repository, safe='')}&tag={tag}&{words}"
    status, body = _ask(engine_socket, "POST", path, root)
    if status != 200 or b'"error"' in body:
        raise Unavailable(f"image {reference} was not imported: {body.decode()[:300]}")


def remove_image(engine_socket: Path, reference: str) -> None:
    _ask(engine_socket, "DELETE", f"/images/{quote(reference)}?force=1")


def start() -> Engine:
    """Start an engine in a new temporary folder; the caller stops it."""
    check_prerequisites()
    # Not below a caller's folder: a socket's path has at most 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="tink-engine-"))
    engine = Engine(folder, _launch(folder))
    try:
        _await_answer(engine)
    except BaseException:
        engine.stop()
        raise
    return engine


def busybox_root(files: Mapping[str, bytes] | None = None) -> bytes:
    """The root of a small image: Debian's static busybox, its applets, a few files more."""
    busybox = _find("busybox")
    if busybox is None:
        raise EngineMissing(
            "there is no static busybox to make an image of",
            hint="apt-get install -y --no-install-recommends busybox-static",
        )
    names = subprocess.run([busybox, "--list"], check=True, capture_output=True, text=True)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for folder in ("bin", "dev", "etc", "proc", "root", "sys", "tmp"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry)
        contents = {"bin/busybox": Path(busybox).read_bytes(), **(files or {})}
        for path, content in contents.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(content), 0o755
            archive.addfile(entry, io.BytesIO(content))
        for name in names.stdout.split():
            if name != "busybox":
                entry = tarfile.TarInfo(f"bin/{name}")
                entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
                archive.addfile(entry)
    return buffer.getvalue()


def _find(program: str) -> str | None:
    return shutil.which(
        program, path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    )


def _launch(folder: Path) -> subprocess.Popen[bytes]:
    dockerd = _find("dockerd")
    assert dockerd is not None  # check_prerequisites looked
    words = [
        dockerd,
        *("--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec"),
        *("--pidfile", f"{folder}/pid", "--host", f"unix://{folder}/docker.sock"),
        *("--config-file", f"{folder}/daemon.json"),
        *("--iptables=false", "--ip6tables=false", "--bridge=none"),
    ]
    (folder / "daemon.json").write_text("{}")
    if not _has_capability(CAP_SYS_RESOURCE):
        wrapper = folder / "runc-wrapper"
        wrapper.write_text(RUNC_WRAPPER.format(python=sys.executable, runc=_find("runc")))
        wrapper.chmod(0o755)
        words += ["--add-runtime", f"wrapped={wrapper}", "--default-runtime", "wrapped"]
    # A proxy that nobody serves: an image that is not here is not asked for on the internet.
    proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    # containerd leaves its stacks in TMPDIR when it is told to end while busy.
    others = {"NO_PROXY": "127.0.0.0/8,localhost", "TMPDIR": str(folder)}
    environment = {**os.environ, **proxies, **others}
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment
        )


def _has_capability(number: int) -> bool:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapBnd:"):
            return bool(int(line.split()[1], 16) >> number & 1)
    return True


def _await_answer(engine: Engine) -> None:
    give_up = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up and engine.process.poll() is None:
        try:
            if _ask(engine.socket, "GET", "/_ping")[0] == 200:
                return
        except OSError:
            pass  # not there yet; a new dockerd may also reset the first connections
        time.sleep(0.05)
    said = (engine.folder / "log").read_bytes()[-LOG_END_BYTES:].decode(errors="replace")
    raise Unavailable(f"dockerd did not come up; the end of its log:\n{said}")


def _ask(path: Path, method: str, target: str, body: bytes | None = None) -> tuple[int, bytes]:
    """One request over the engine's socket, with no library."""
    connection = http.client.HTTPConnection("localhost", timeout=START_SECONDS)
    connection.sock = socket.socket(socket.AF_UNIX)
    try:
        connection.sock.settimeout(START_SECONDS)
        connection.sock.connect(str(path))
        connection.request(method, target, body, {"Content-Type": "application/x-tar"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except http.client.HTTPException as error:
        raise OSError(f"the engine's answer was cut short: {error}") from error
    finally:
        connection.close()


def _unmount_below(folder: Path) -> None:
    """What a killed engine leaves mounted would keep its folder from being removed."""
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for mount in sorted(mounts, reverse=True):
        if mount.startswith(f"{folder}/"):
            subprocess.run(["umount", "--lazy", mount], check=False, capture_output=True)

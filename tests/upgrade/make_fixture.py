"""Write a small repository with an older version of tinkgit, as `version-1.tar.gz` holds it.

    python make_fixture.py PYTHON OUTPUT

PYTHON is the interpreter of an environment in which that version is installed (the fixture is
of commit f29fe62).  It serves a site over HTTP as machines see it: finished workflows, some of
them archived; running, waiting, deleted and renamed ones; ephemeral data and logs; a checkpoint.
Then it is killed, and what a power cut may take is taken: the last move of the ref, and the
pack of that group, which the journal has.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

# A checkpoint is written from 1,000 workflows on; here from the first.
TINK = """
from provisioner.store import status_writer
status_writer._CHECKPOINT_FROM = 1
from provisioner.cli.main import main
main()
"""
TEMPLATE = """\
version: "0.1"
name: two_steps
global_timeout: 86400
tasks:
  - name: install
    worker: "{{.device_1}}"
    volumes: [/dev:/dev]
    environment: {MIRROR: "http://192.168.1.1"}
    actions:
      - {name: partition, image: disk:v1, timeout: 600, command: [sh, -c, "echo größe"]}
      - {name: write, image: disk:v1, timeout: 600}
"""
ENVIRONMENT = {
    **{name: text for name, text in os.environ.items() if not name.startswith("GIT_")},
    "GIT_CONFIG_GLOBAL": "/dev/null",
    **{f"GIT_{who}_NAME": "fixture" for who in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{who}_EMAIL": "fixture@localhost" for who in ("AUTHOR", "COMMITTER")},
}


def mac(number: int) -> str:
    return f"02:00:00:00:00:{number:02x}"


def hardware(number: int) -> str:
    interface = {
        "dhcp": {"mac": mac(number), "ip": {"address": f"192.168.1.{number}"}},
        "netboot": {"allow_pxe": True, "allow_workflow": True},
    }
    machine = f"00000000-0000-4000-8000-{number:012x}"
    return json.dumps({"id": machine, "network": {"interfaces": [interface]}})


def request(machine: int, workflow: str = "") -> str:
    own = f"id: {workflow}\n" if workflow else ""
    return f'template: two_steps\nhardware:\n  device_1: "{mac(machine)}"\n{own}'


class Old:
    """One repository and the older version that serves it."""

    def __init__(self, python: str, repo: Path) -> None:
        self._python, self._repo = python, repo
        self._server: subprocess.Popen[str] | None = None
        self._address = ""

    def git(self, *words: str, stdin: bytes = b"") -> str:
        done = subprocess.run(
            ["git", "-C", self._repo, *words],
            input=stdin,
            env=ENVIRONMENT,
            check=True,
            capture_output=True,
        )
        return done.stdout.decode().strip()

    def tink(self, *words: str) -> None:
        subprocess.run([self._python, "-c", TINK, *words], env=ENVIRONMENT, check=True)

    def commit(self, files: dict[str, str | None]) -> None:
        text = "commit refs/heads/main\ncommitter fixture <fixture@localhost> 0 +0000\n"
        text += "data 7\nchange\nfrom refs/heads/main^0\n"
        for path, content in files.items():
            if content is None:
                text += f"D {path}\n"
            else:
                text += f"M 100644 inline {path}\ndata {len(content.encode())}\n{content}\n"
        self.git("fast-import", "--quiet", stdin=text.encode())
        self._await_reconciled(self.git("rev-parse", "main"))

    def serve(self) -> None:
        words = ["--repo", str(self._repo), "serve", "--listen", "127.0.0.1:0", "--poll", "0.1"]
        self._server = subprocess.Popen(
            [self._python, "-c", TINK, *words],
            env=ENVIRONMENT,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert self._server.stdout is not None
        for line in self._server.stdout:
            if "http://" in line:
                self._address = "http://" + line.split("http://")[1].split()[0].rstrip(".,;/")
                return
        raise SystemExit("the older version did not start")

    def stop(self, *, kill: bool = False) -> None:
        assert self._server is not None
        self._server.kill() if kill else self._server.terminate()
        self._server.wait()

    def call(self, method: str, path: str, body: bytes | None = None) -> Any:
        whole = urllib.request.Request(self._address + path, body, method=method)
        whole.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(whole, timeout=20) as answer:
            return json.loads(answer.read() or b"null")

    def run(self, machine: int, *states: str, data: bytes = b"") -> None:
        """Have a machine report these states of the action that is due."""
        offer = self.call("GET", f"/v1/workers/{mac(machine)}/action?wait=5")
        about = {"action_index": offer["action_index"], "attempt": offer["attempt"] or 1}
        base = f"/v1/workflows/{offer['workflow_id']}"
        for state in states:
            if data and state == "SUCCESS":
                words = "&".join(f"{name}={value}" for name, value in about.items())
                name = f"data-{offer['action_index']}"
                query = f"worker={mac(machine)}&{words}&report_id={name}"
                self.call("PUT", f"{base}/data?{query}", _archive(data))
            report = {
                **about,
                "report_id": f"{offer['action_index']}-{state}",
                "worker": mac(machine),
                "task_name": offer["task_name"],
                "action_name": offer["action_name"],
                "action_status": f"STATE_{state}",
                "seconds": 3,
                "message": f"{state.lower()}: größe",
                "log_tail": f"the end of {offer['action_name']}\n",
            }
            self.call("POST", f"{base}/reports", json.dumps(report).encode())

    def _await_reconciled(self, commit: str) -> None:
        if self._server is None or self._server.poll() is not None:
            return
        for _ in range(200):
            if self.call("GET", "/readyz")["desired_commit"] == commit:
                written = json.loads(self.git("show", "status:reconcile.json"))
                if written["desired_commit"] == commit:
                    return
            time.sleep(0.05)
        raise SystemExit("the older version did not follow the desired branch")


def _archive(data: bytes) -> bytes:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as archive:
        for name, content in (("address.json", data), ("keys/größe", data * 2)):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return whole.getvalue()


def write(python: str, repo: Path) -> None:
    old = Old(python, repo)
    old.tink("init", "--bare", str(repo))
    files: dict[str, str | None] = {"templates/two.yaml": TEMPLATE}
    files |= {f"hardware/m{each}.json": hardware(each) for each in range(1, 6)}
    old.commit(files)
    old.serve()
    old.commit({f"workflows/first-{each}.yaml": request(each) for each in range(1, 4)})
    for _ in range(2):
        old.run(1, "RUNNING", "SUCCESS", data=b'{"ip": "192.168.1.1"}')
        old.run(2, "RUNNING", "SUCCESS")
    old.run(3, "RUNNING", "FAILED")
    old.commit({"workflows/first-2.yaml": None})  # ended, and deleted
    old.stop()
    old.tink("--repo", str(repo), "status-branch", "archive", "--older-than", "0")
    old.serve()
    second = {f"workflows/second-{each}.yaml": request(each) for each in range(1, 6)}
    second["workflows/with-id.yaml"] = request(1, "11111111-2222-4333-8444-555555555555")
    old.commit(second)
    for _ in range(2):
        old.run(2, "RUNNING", "SUCCESS", data=b"two")
    old.run(1, "RUNNING", "SUCCESS", data=b"one")
    old.run(1, "RUNNING")
    old.commit({"workflows/second-5.yaml": None})  # deleted while it waited
    renamed = second["workflows/second-4.yaml"]
    old.commit({"workflows/second-4.yaml": None, "workflows/renamed.yaml": renamed})
    old.stop()
    old.serve()
    old.run(3, "RUNNING")
    before = old.git("rev-parse", "status")
    packs = {*repo.glob("objects/pack/*")}
    old.run(4, "RUNNING")
    old.stop(kill=True)
    old.git("update-ref", "refs/heads/status", before)
    for each in {*repo.glob("objects/pack/*")} - packs:
        each.unlink()
    for each in repo.glob("hooks/*"):
        each.unlink()


def main() -> None:
    python, output = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        write(python, Path(folder, "site.git"))
        with tarfile.open(output, "w:gz") as archive:
            archive.add(Path(folder, "site.git"), "site.git")


if __name__ == "__main__":
    main()

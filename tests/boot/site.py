"""A lab with a server, a registry and a repository of machines."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from provisioner.demo import engine as starter
from tests.boot.lab import ADDRESS, NETMASK, Lab, Process, until
from worker import wire

ROOT = Path(__file__).resolve().parents[2]
REGISTRY = f"{ADDRESS}:5000"
SERVER = f"http://{ADDRESS}:42114"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def mac(number: int) -> str:
    return f"02:00:00:00:00:{number:02x}"


def address(number: int) -> str:
    return f"10.77.0.{number}"


class Site:
    """`folder` takes everything; the server runs from `serve` on."""

    def __init__(self, lab: Lab, folder: Path, os_folder: Path | None = None) -> None:
        self.lab = lab
        self.folder = folder
        self.os_folder = os_folder
        self.repo = folder / "site"
        self.tink("init", str(self.repo))
        self.server: Process | None = None

    def tink(self, *words: str) -> str:
        """Run `tink`, in the lab's network."""
        done = subprocess.run(
            self.lab.inside([sys.executable, "-m", "provisioner.cli", *words]),
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def serve(self, *options: str | Path) -> Process:
        """Start the server, with DHCP on the lab's bridge."""
        words: list[Any] = [sys.executable, "-m", "provisioner.cli", "--repo", self.repo, "serve"]
        words += ["--listen", "0.0.0.0:42114", "--dhcp", "br0"]
        words += ["--os", self.os_folder] if self.os_folder else []
        arguments = f"console=ttyS0 insecure_registries={REGISTRY}"
        words += ["--kernel-arguments", arguments, *options]
        log = self.folder / "server.log"
        start = len(log.read_bytes()) if log.exists() else 0
        self.server = self.lab.start(words, log, env=ENVIRONMENT)
        until(lambda: "serving " in log.read_text()[start:], 30)
        return self.server

    def start_registry(self) -> None:
        """A real registry, which holds one image of busybox under several names."""
        config = self.folder / "registry.yml"
        config.write_text(
            f"version: 0.1\nhttp: {{addr: '{REGISTRY}'}}\n"
            f"storage: {{filesystem: {{rootdirectory: {self.folder}/registry}}}}\n"
        )
        log = self.folder / "registry.log"
        self.lab.start(["docker-registry", "serve", config], log)
        until(lambda: "listening on" in log.read_text(), 20)
        layer = self.folder / "layer.tar"
        layer.write_bytes(starter.busybox_root())
        for name in ("actions/image2disk", "actions/reboot", "busybox"):
            words = [str(ROOT / "tests/boot/registry.py"), f"http://{REGISTRY}", name, "v1"]
            subprocess.run(self.lab.inside([sys.executable, *words, str(layer)]), check=True)

    def add_machine(
        self,
        number: int,
        *,
        dhcp: Mapping[str, object] | None = None,
        metadata: Mapping[str, object] | None = None,
        **netboot: object,
    ) -> None:
        """A hardware document; what is given replaces what it says usually."""
        document = {
            "id": f"00000000-0000-4000-8000-0000000000{number:02x}",
            "network": {
                "interfaces": [
                    {
                        "dhcp": {
                            "mac": mac(number),
                            "hostname": f"n{number}",
                            "ip": {
                                "address": address(number),
                                "netmask": NETMASK,
                                "gateway": ADDRESS,
                            },
                            **(dhcp or {}),
                        },
                        "netboot": {"allow_pxe": True, "allow_workflow": True, **netboot},
                    }
                ]
            },
            "metadata": metadata or {"instance": {"id": f"i-{number}"}},
        }
        (self.repo / "hardware" / f"n{number}.json").write_text(json.dumps(document))

    def add_template(self, name: str, *actions: dict[str, object]) -> None:
        """Written as JSON, which is YAML."""
        task = {
            "name": "os",
            "worker": "{{.device_1}}",
            "volumes": ["/dev:/dev"],
            "actions": list(actions),
        }
        template = {"version": "0.1", "name": name, "global_timeout": 600, "tasks": [task]}
        (self.repo / "templates" / f"{name}.yaml").write_text(json.dumps(template, indent=1))

    def request(self, name: str, template: str, number: int) -> None:
        wish = {"template": template, "hardware": {"device_1": mac(number)}}
        (self.repo / "workflows" / f"{name}.yaml").write_text(json.dumps(wish))

    def commit(self, message: str) -> None:
        for words in (("add", "-A"), ("commit", "-qm", message)):
            git = ["git", "-c", "user.name=lab", "-c", "user.email=lab@localhost"]
            subprocess.run([*git, "-C", self.repo, *words], check=True)

    def get(self, path: str, *options: str, segment: str = "") -> str:
        """What the server answers a GET of that path."""
        asking = ["busybox", "wget", "-q", "-O", "-", *options, f"{SERVER}{path}"]
        words = self.lab.inside(asking, segment)
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout

    def finish(self, number: int, action: str) -> None:
        """Report the one action of the only workflow as done, as a worker would."""
        listing = ("--repo", str(self.repo), "workflow", "list", "-o", "json")
        (found,) = until(lambda: json.loads(self.tink(*listing)), 20)
        for state in ("STATE_RUNNING", "STATE_SUCCESS"):
            report = {
                "report_id": wire.report_id(found["id"], 0, 1, state),
                "worker": f"00000000-0000-4000-8000-0000000000{number:02x}",
                "task_name": "os",
                "action_name": action,
                "action_index": 0,
                "attempt": 1,
                "action_status": state,
                "seconds": 1,
                "message": "",
            }
            text = f"--post-data={json.dumps(report)}"
            kind = "--header=Content-Type: application/json"
            self.get(f"/v1/workflows/{found['id']}/reports", kind, text)

    def machines(self) -> dict[str, dict[str, object]]:
        """By MAC, as the running server shows them."""
        found = json.loads(self.tink("machine", "list", "-o", "json", "--server", SERVER))
        return {each["mac"]: each for each in found}

    def events(self, request: str) -> list[str]:
        """The states of a request's actions, one after the other."""
        listed = json.loads(self.tink("--repo", str(self.repo), "workflow", "list", "-o", "json"))
        (found,) = listed if len(listed) == 1 else [e for e in listed if request in json.dumps(e)]
        words = ("workflow", "events", found["id"], "-o", "json")
        return json.loads(self.tink("--repo", str(self.repo), *words))


def shell(
    name: str, script: str, *, image: str = "busybox", **changes: object
) -> dict[str, object]:
    """An action that runs a script of busybox."""
    return {
        "name": name,
        "image": f"{REGISTRY}/{image}:v1",
        "timeout": 120,
        "command": ["/bin/sh", "-c", script],
        **changes,
    }


REBOOT = shell("reboot", "echo b > /proc/sysrq-trigger", image="actions/reboot")

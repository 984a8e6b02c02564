"""A real cloud-init reads what we say of a machine, as an installed system would."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.boot.lab import ADDRESS, Lab
from tests.boot.site import ROOT, SERVER, Site, address, mac

pytestmark = [pytest.mark.network, pytest.mark.waits, pytest.mark.timeout(600)]

NUMBER = 0x11
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJ1aWx0IGZvciB0ZXN0cyBvbmx5IGJ1aWx0IGZvciB0 ops@lab"
USER_DATA = f"""\
#cloud-config
hostname: n17
write_files:
  - path: /etc/said
    content: user data was here
runcmd:
  - [sh, -c, "echo once >> /var/run-count"]
phone_home:
  url: {SERVER}/phone-home
  post: [instance_id, hostname]
"""
VENDOR_DATA = "#cloud-config\nbootcmd: ['echo vendor > /etc/vendor-said']\n"
PAGE = (ROOT / "docs" / "metadata.md").read_text()
# The network of the chroot is not cloud-init's to bring up.
OURS = "network: {config: disabled}\nlocale: false\n"
START = """\
set -e
mount -t overlay -o lowerdir={root},upperdir={upper},workdir={work} overlay {merged}
mount -t proc proc {merged}/proc
mount -t sysfs sysfs {merged}/sys
mount -t tmpfs tmpfs {merged}/run
mount --rbind /dev {merged}/dev
exec chroot {merged} sh -c "$1"
"""
# What systemd's units of cloud-init run.
BOOT = """\
cloud-init init --local; cloud-init init
cloud-init modules --mode=config; cloud-init modules --mode=final
cat /run/cloud-init/instance-data.json
"""


class System:
    """An installed system on a machine of the lab; its disk is a folder."""

    def __init__(self, lab: Lab, root: Path, folder: Path, settings: str) -> None:
        self._lab = lab
        self._segment = lab.add_segment("machine")
        for words in (
            ("link", "set", "eth0", "address", mac(NUMBER)),
            ("address", "add", f"{address(NUMBER)}/24", "dev", "eth0"),
            ("route", "add", "default", "via", ADDRESS),
        ):
            subprocess.run(["ip", "-n", self._segment, *words], check=True)
        self._folders = {"root": root}
        for name in ("upper", "work", "merged"):
            self._folders[name] = folder / f"system-{name}"
            self._folders[name].mkdir()
        self.write("etc/resolv.conf", "nameserver 127.0.0.1\n")  # answers at once: there is none
        self.write("etc/cloud/cloud.cfg.d/99-test.cfg", settings)

    def write(self, path: str, text: str) -> None:
        target = self._folders["upper"] / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def run(self, script: str) -> str:
        """Run a script in it, with a fresh /run; what it printed."""
        words = ["unshare", "-m", "-p", "-f", "sh", "-c", START.format(**self._folders), "sh"]
        done = subprocess.run(
            self._lab.inside([*words, script], self._segment), capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def boot(self) -> dict[str, Any]:
        """Boot it; what cloud-init says of the instance."""
        told = self.run(BOOT)
        found: dict[str, Any] = json.loads(told[told.index("{\n") :])
        return found

    def get(self, site: Site, path: str) -> str:
        """What the server answers this machine."""
        return site.get(path, segment=self._segment)

    def read(self, path: str) -> str:
        return (self._folders["upper"] / path).read_text()


@pytest.fixture
def site(lab: Lab, tmp_path: Path) -> Site:
    """A machine with all that metadata has, and a workflow that is under way."""
    site = Site(lab, tmp_path)
    metadata = {
        "instance": {"id": "i-17", "ssh_keys": [KEY], "tags": ["a"]},
        "userdata": USER_DATA,
        "vendordata": VENDOR_DATA,
    }
    site.add_machine(NUMBER, metadata=metadata)
    site.add_template("install", {"name": "write", "image": "image2disk", "timeout": 600})
    site.request("install-n17", "install", NUMBER)
    site.commit("Install n17")
    site.serve()
    return site


def settings_of(source: str) -> str:
    """What the page says that an image needs for a data source."""
    (found,) = (text for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.S) if source in text)
    return found.replace("SERVER:42114", SERVER.removeprefix("http://")).replace("MAC", mac(NUMBER))


@pytest.mark.parametrize("source", ["NoCloud", "Ec2"])
def test_an_installed_system_takes_everything_once(site, lab, debian, tmp_path, source):
    """Its first boot applies all and phones home; the second finds the same instance."""
    site.finish(NUMBER, "write")
    system = System(lab, debian, tmp_path, settings_of(source) + OURS)
    found = system.boot()
    assert (found["v1"]["platform"], found["v1"]["instance_id"]) == (source.lower(), "i-17")
    assert found["v1"]["local_hostname"] == "n17"
    assert found["v1"]["public_ssh_keys"] == [KEY]
    assert system.read("etc/hostname").strip() == "n17"
    assert system.read("etc/said") == "user data was here"
    assert system.read("var/run-count") == "once\n"
    assert KEY in system.read("root/.ssh/authorized_keys")
    if source == "NoCloud":
        assert system.read("etc/vendor-said") == "vendor\n"
    last = site.events("install-n17")[-1]
    assert last["kind"] == "machine_phoned_home"
    folder = f"/nocloud/{mac(NUMBER)}"
    assert (
        system.get(site, f"{folder}/user-data") == system.get(site, "/2009-04-04/user-data") == ""
    )
    assert system.get(site, "/2009-04-04/meta-data/instance-id") == "i-17"
    found = system.boot()
    assert found["v1"]["instance_id"] == "i-17"
    assert system.read("var/run-count") == "once\n"
    assert len(site.events("install-n17")) == 3


def test_the_network_configuration_is_one_that_cloud_init_converts(site, lab, debian, tmp_path):
    system = System(lab, debian, tmp_path, settings_of("NoCloud") + OURS)
    system.write("etc/network.yaml", system.get(site, f"/nocloud/{mac(NUMBER)}/network-config"))
    words = "cloud-init devel net-convert -p /etc/network.yaml -k yaml -D debian -d /etc/out"
    system.run(f"{words} -O netplan -m eth0,{mac(NUMBER)}")
    shown = YAML(typ="safe").load(system.read("etc/out/etc/netplan/50-cloud-init.yaml"))
    ((_, card),) = shown["network"]["ethernets"].items()
    assert card["addresses"] == [f"{address(NUMBER)}/24"]
    assert card["match"] == {"macaddress": mac(NUMBER)}
    assert card["routes"] == [{"to": "0.0.0.0/0", "via": ADDRESS}]

"""Action images whose effect is known by their name.

An image is known by the last part of its name, without tag and digest: a mirror or a copy of
one in a registry of your own counts as well.  `docs/boot.md` shows the list.
"""

from __future__ import annotations

from provisioner.model.ids import HardwareId
from provisioner.model.workflow import WorkflowRecord

# Images that leave a disk from which a machine boots.  Those of Tinkerbell's actions
# (https://github.com/tinkerbell/actions) and of the workflows that Packet published with
# classic tink (install-root-fs, install-grub).  rootio is not here: it makes partitions and
# file systems, and what fills them is.
DISK_WRITERS = frozenset(
    {
        "archive2disk",
        "grub2disk",
        "image2disk",
        "install-grub",
        "install-root-fs",
        "oci2disk",
        "qemuimg2disk",
    }
)

# Images that change what is on a disk, whether or not a machine boots from it afterwards.
DISK_CHANGERS = DISK_WRITERS | {"disk-partition", "disk-wipe", "rootio", "syslinux", "writefile"}

# Images that end the machine, or take its place.  kexec and reboot of Tinkerbell's actions, and
# waitdaemon (https://github.com/jacobweinstock/waitdaemon), which its users wrap them in.
MACHINE_ENDERS = frozenset({"kexec", "reboot", "waitdaemon"})


def name_of(image: str) -> str:
    """The last part of an image's name: `image2disk` of `host:5000/actions/image2disk:v1`."""
    return image.rpartition("/")[2].partition("@")[0].partition(":")[0]


def is_disk_writer(image: str) -> bool:
    return name_of(image) in DISK_WRITERS


def changes_disk(image: str) -> bool:
    return name_of(image) in DISK_CHANGERS


def ends_machine(image: str) -> bool:
    return name_of(image) in MACHINE_ENDERS


def installed_machines(record: WorkflowRecord) -> tuple[HardwareId, ...]:
    """The machines whose disk a workflow writes an operating system to.

    A record of before this was decided is judged by its images.
    """
    if record.installs_os is not None:
        return record.installs_os
    found = (each.worker_id for each in record.actions if is_disk_writer(each.image))
    return tuple(dict.fromkeys(found))

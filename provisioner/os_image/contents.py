"""What the in-memory OS is made of: data, and nothing but data."""

from __future__ import annotations

from collections.abc import Mapping

PACKAGES = (
    "busybox-static",  # init, DHCP client
    "docker.io",
    "dosfstools",
    "e2fsprogs",
    "fdisk",  # sfdisk
    "iproute2",
    "kmod",
    "python3",
    "python3-docker",  # the worker's two libraries
    "python3-requests",
    "udhcpc",
)
FIRMWARE_PACKAGES = (
    "firmware-bnx2",
    "firmware-bnx2x",
    "firmware-linux-nonfree",
    "firmware-misc-nonfree",
    "firmware-netxen",
    "firmware-qlogic",
    "firmware-realtek",
)
KERNELS: Mapping[str, str] = {
    "cloud": "linux-image-cloud-amd64",  # virtio only: demonstrations and tests
    "generic": "linux-image-amd64",  # real network cards and disk controllers
}

# Left out of the root file system, as paths for `rm -rf`.
UNUSED = (
    "boot",
    "usr/bin/ctr",
    "usr/bin/dnet",
    "usr/bin/docker",
    "usr/bin/containerd-shim",
    "usr/bin/containerd-shim-runc-v1",
    "usr/bin/perl*",
    "usr/sbin/ovrouter",
    "usr/lib/*/perl*",
    "usr/lib/*/libperl*",
    "usr/lib/*/gconv",
    "usr/lib/python3/dist-packages/pip*",
    "usr/lib/python3*/__pycache__",
    "usr/lib/python3*/ensurepip",
    "usr/lib/python3*/idlelib",
    "usr/lib/python3*/lib2to3",
    "usr/lib/python3*/pydoc_data",
    "usr/lib/python3*/test",
    "usr/lib/python3*/tkinter",
    "usr/lib/python3*/turtle*",
    "usr/share/bash-completion",
    "usr/share/doc",
    "usr/share/doc-base",
    "usr/share/i18n",
    "usr/share/info",
    "usr/share/lintian",
    "usr/share/locale",
    "usr/share/man",
    "usr/share/perl*",
    "usr/share/zoneinfo",
    "var/cache",
    "var/lib/apt",
    "var/lib/dpkg",
    "var/log",
    "var/tmp",
    "etc/machine-id",
    "etc/ssh",
    "etc/hostname",
    "etc/resolv.conf",
)
# Drivers of the root file system that no machine of ours needs.
UNUSED_MODULES = ("sound", "drivers/gpu", "drivers/media", "drivers/infiniband", "drivers/staging")

# What the initramfs holds of the kernel's modules: folders and files below kernel/, with all
# that they depend on.
EARLY_MODULES = (
    "drivers/net/ethernet/",
    "drivers/net/hyperv/",
    "drivers/net/mdio/",
    "drivers/net/phy/",
    "drivers/net/vmxnet3/",
    "drivers/net/virtio_net.ko",
    "drivers/net/xen-netfront.ko",
    "drivers/block/loop.ko",
    "drivers/virtio/",
    "fs/overlayfs/overlay.ko",
    "fs/squashfs/squashfs.ko",
    "net/8021q/8021q.ko",
    "net/packet/af_packet.ko",
)
# Of the network's drivers, those of cards that no server boots from.
UNUSED_EARLY = ("drivers/net/ethernet/mellanox/mlxsw/", "drivers/net/ethernet/netronome/")

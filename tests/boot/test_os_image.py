"""The in-memory OS as files: small enough, whole, and the same bytes twice."""

from __future__ import annotations

import gzip
import hashlib

import pytest

from provisioner.errors import Unavailable, UserError
from provisioner.os_image import build, initramfs, manifest, modules
from provisioner.os_image.build import Recipe

SQUASHFS_LIMIT_BYTES = 130_000_000


@pytest.mark.network
@pytest.mark.waits
@pytest.mark.timeout(600)
def test_it_is_small_and_the_same_bytes_twice(os_folder, tmp_path):
    first = manifest.checked(os_folder)
    for name, file in first.files.items():
        digest = hashlib.sha256((os_folder / name).read_bytes()).hexdigest()
        assert digest == file.sha256
    assert first.files[manifest.ROOT].size_bytes < SQUASHFS_LIMIT_BYTES
    assert {"docker.io", "e2fsprogs", "fdisk", "kmod"} <= first.packages.keys()
    again = build.build(tmp_path / "again", Recipe(kernel="cloud"), print)
    assert again == first
    left = [each.name for each in tmp_path.iterdir()]
    assert left == ["again"]


def test_an_initramfs_holds_its_files_and_the_folders_above_them():
    content = initramfs.archive(
        {"a/b/c": initramfs.file(b"text", executable=True), "dev/console": initramfs.console()}
    )
    raw = gzip.decompress(content)
    for name in (b"a\0", b"a/b\0", b"a/b/c\0", b"dev/console\0", b"TRAILER!!!\0"):
        assert name in raw
    assert raw.count(b"070701") == 6 and len(raw) % 4 == 0
    assert content == initramfs.archive(
        {"dev/console": initramfs.console(), "a/b/c": initramfs.file(b"text", executable=True)}
    )


DEPENDENCIES = """\
kernel/drivers/net/virtio_net.ko: kernel/drivers/net/net_failover.ko kernel/net/core/failover.ko
kernel/drivers/net/net_failover.ko: kernel/net/core/failover.ko
kernel/net/core/failover.ko:
kernel/drivers/net/ethernet/a/a.ko: kernel/lib/b.ko
kernel/drivers/net/ethernet/c/c.ko:
kernel/lib/b.ko:
kernel/sound/d.ko:
"""


def test_modules_come_with_what_they_depend_on():
    chosen = modules.with_dependencies(
        DEPENDENCIES,
        ("drivers/net/virtio_net.ko", "drivers/net/ethernet/"),
        ("drivers/net/ethernet/c/",),
    )
    assert chosen == [
        "kernel/drivers/net/ethernet/a/a.ko",
        "kernel/drivers/net/net_failover.ko",
        "kernel/drivers/net/virtio_net.ko",
        "kernel/lib/b.ko",
        "kernel/net/core/failover.ko",
    ]
    assert len(modules.dependencies_of(DEPENDENCIES, chosen).splitlines()) == 5
    aliases = "alias pci:v1 virtio_net\nalias pci:v2 d\n"
    assert modules.aliases_of(aliases, chosen) == "alias pci:v1 virtio_net\n"


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"format_version": 2}', '{"format_version": 1, "files": {}}']
)
def test_a_folder_without_a_whole_manifest_is_an_error_with_a_hint(tmp_path, text):
    (tmp_path / manifest.NAME).write_text(text)
    with pytest.raises(UserError) as refused:
        manifest.read(tmp_path)
    assert "tink os build" in refused.value.hint


def test_missing_programs_are_named_by_their_packages(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match="mmdebstrap squashfs-tools") as refused:
        build.build(tmp_path / "out", Recipe(), print)
    assert "apt-get install" in refused.value.hint


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path, monkeypatch):
    (tmp_path / "mine").write_text("x")
    monkeypatch.setattr(build, "_check_tools", lambda: None)
    with pytest.raises(UserError, match="holds something else"):
        build.build(tmp_path, Recipe(), print)


def test_the_worker_is_one_file_and_the_same_bytes_each_time():
    assert build.worker_zipapp() == build.worker_zipapp()

"""Builds kernel, initramfs and root file system, and puts them in place at once.

mmdebstrap makes a tar of Debian packages and ours; from that come the squashfs, by sqfstar,
and the initramfs.  Every time is SOURCE_DATE_EPOCH, every list is sorted: the same packages
give the same bytes.
"""

from __future__ import annotations

import importlib.util
import io
import os
import shutil
import stat
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from provisioner.errors import Unavailable, UserError
from provisioner.os_image import contents, initramfs, manifest, modules
from provisioner.os_image.initramfs import Entry
from provisioner.os_image.manifest import Manifest

EPOCH = 1_700_000_000  # the time of every file
_FILES = Path(__file__).resolve().parent / "files"
_OURS = "usr/lib/tinkgit"
_LIST = f"{_OURS}/packages"
_TOOLS = {"mmdebstrap": "mmdebstrap", "sqfstar": "squashfs-tools"}

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """`kernel` is a key of `contents.KERNELS`; `mirror` as mmdebstrap takes it.

    Without a mirror, Debian's own is used, with its security updates.
    """

    kernel: str = "generic"
    has_firmware: bool = False
    suite: str = "bookworm"
    mirror: str = ""


def build(out: Path, recipe: Recipe, say: Say) -> Manifest:
    """Build into a folder; what stands there is replaced when all is done.

    Raises `Unavailable` when a program is missing or fails.
    """
    _check_tools()
    if out.exists() and not (out / manifest.NAME).exists() and any(out.iterdir()):
        raise UserError(f"{out} holds something else", hint="give --out an empty folder")
    out.parent.mkdir(parents=True, exist_ok=True)
    with _beside(out) as folder:
        tar = folder / "root.tar"
        say(f"installing Debian {recipe.suite} with {contents.KERNELS[recipe.kernel]}")
        _bootstrap(tar, recipe, folder)
        say("writing kernel and initramfs")
        version = _write_boot_files(tar, folder)
        say("compressing the root file system")
        _squash(tar, folder / manifest.ROOT)
        made = Manifest(
            kernel=recipe.kernel,
            kernel_version=version,
            arch="x86_64",
            suite=recipe.suite,
            has_firmware=recipe.has_firmware,
            files={
                name: manifest.file_of(folder / name)
                for name in (manifest.KERNEL, manifest.INITRAMFS, manifest.ROOT)
            },
            packages=_packages(tar),
        )
        tar.unlink()
        (folder / manifest.NAME).write_text(manifest.encode(made), encoding="utf-8")
        _replace(out, folder)
    return made


def _check_tools() -> None:
    missing = sorted({package for tool, package in _TOOLS.items() if shutil.which(tool) is None})
    if missing:
        raise Unavailable(
            f"missing Debian packages: {' '.join(missing)}",
            hint=f"sudo apt-get install --no-install-recommends {' '.join(missing)}",
        )


@contextmanager
def _beside(out: Path) -> Iterator[Path]:
    """A folder that goes away unless it was put in place."""
    folder = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        folder.chmod(0o755)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _replace(out: Path, folder: Path) -> None:
    """Put a folder where another stands; a server that reads the old one goes on with it."""
    old = folder.with_name(folder.name + "-old")
    if out.exists():
        out.rename(old)
    folder.rename(out)
    shutil.rmtree(old, ignore_errors=True)


def _bootstrap(tar: Path, recipe: Recipe, folder: Path) -> None:
    hook, ours = folder / "hook", folder / "ours.tar"
    hook.write_text(_hook(recipe), encoding="utf-8")
    ours.write_bytes(_our_files())
    packages = [*contents.PACKAGES, *(contents.FIRMWARE_PACKAGES if recipe.has_firmware else ())]
    components = "main,non-free-firmware" if recipe.has_firmware else "main"
    words = [
        "mmdebstrap",
        "--quiet",
        "--variant=essential",
        f"--components={components}",
        f"--include={','.join(packages)}",
        "--aptopt=APT::Install-Recommends false",
        "--dpkgopt=path-exclude=/usr/share/doc/*",
        f"--customize-hook=tar-in {ours} /",
        f'--customize-hook=sh {hook} "$1"',
        recipe.suite,
        str(tar),
        *([recipe.mirror] if recipe.mirror else []),
    ]
    _run(words)
    hook.unlink()
    ours.unlink()


def _hook(recipe: Recipe) -> str:
    """What is done in the new root: the kernel without its installer, and what is not needed."""
    unused = " ".join(f'"$1"/{each}' for each in contents.UNUSED)
    unused_modules = " ".join(
        f'"$1"/usr/lib/modules/*/kernel/{each}' for each in contents.UNUSED_MODULES
    )
    return f"""\
set -eu
root=$1
export APT_CONFIG=$MMDEBSTRAP_APT_CONFIG
meta={contents.KERNELS[recipe.kernel]}
image=$(apt-cache depends "$meta" | awk '/Depends: linux-image-/ {{ print $2; exit }}')
mkdir -p "$root/var/tmp/kernel"
cd "$root/var/tmp"
apt-get -qq download "$image"
dpkg-deb -x "$image"_*.deb kernel
dpkg-deb -f "$image"_*.deb Package Version | sed 's/^[A-Za-z]*: //' | paste -sd ' ' >kernel.version
mv kernel/lib/modules "$root/usr/lib/modules"
version=$(ls "$root/usr/lib/modules")
chroot "$root" depmod "$version"
cp kernel/boot/vmlinuz-* "$root/{_OURS}/vmlinuz"
chroot "$root" dpkg-query -W -f '${{Package}} ${{Version}}\\n' >"$root/{_LIST}"
cat kernel.version >>"$root/{_LIST}"
cd /
rm -rf {unused} {unused_modules}
find "$root/usr" -depth -name __pycache__ -exec rm -rf {{}} +
mkdir -p "$root/var/log" "$root/var/tmp" "$root/var/cache"
chmod 1777 "$root/var/tmp"
for name in init reboot poweroff halt; do ln -sf /usr/bin/busybox "$root/usr/sbin/$name"; done
for name in mount umount; do ln -sf busybox "$root/usr/bin/$name"; done
chroot "$root" busybox --install -s /usr/local/bin
"""


def _our_files() -> bytes:
    """The files of ours, as a tar for the new root."""
    made = io.BytesIO()
    names = ("dhcp", "engine", "network", "setup", "stop", "worker")
    with tarfile.open(fileobj=made, mode="w", format=tarfile.GNU_FORMAT) as tar:
        _add(tar, f"{_OURS}/worker.pyz", worker_zipapp(), 0o644)
        _add(tar, "etc/inittab", (_FILES / "inittab").read_bytes(), 0o644)
        for name in names:
            _add(tar, f"{_OURS}/{name}", (_FILES / name).read_bytes(), 0o755)
    return made.getvalue()


def _add(tar: tarfile.TarFile, path: str, content: bytes, mode: int) -> None:
    about = tarfile.TarInfo(path)
    about.size, about.mode, about.mtime = len(content), mode, EPOCH
    tar.addfile(about, io.BytesIO(content))


def worker_zipapp() -> bytes:
    """The worker as one file that `python3` runs; its two libraries are Debian's."""
    found = importlib.util.find_spec("worker")
    assert found is not None and found.origin is not None
    folder = Path(found.origin).resolve().parent
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*.py")):
            _zip(archive, f"worker/{path.relative_to(folder).as_posix()}", path.read_bytes())
        _zip(archive, "__main__.py", b"from worker.main import main\n\nmain()\n")
    return made.getvalue()


def _zip(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    about = zipfile.ZipInfo(name, date_time=(2023, 11, 14, 22, 13, 20))
    about.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(about, content)


def _write_boot_files(tar: Path, folder: Path) -> str:
    """Write kernel and initramfs from the root's files; return the kernel's version."""
    with tarfile.open(tar) as root:
        members = {each.name.removeprefix("./"): each for each in root}

        def read(path: str) -> bytes:
            opened = root.extractfile(members[path])
            assert opened is not None
            return opened.read()

        base = "usr/lib/modules/"
        version = next(path for path in members if path.startswith(base)).split("/")[3]
        (folder / manifest.KERNEL).write_bytes(read(f"{_OURS}/vmlinuz"))
        below = f"{base}{version}"
        dependencies = read(f"{below}/modules.dep").decode()
        chosen = modules.with_dependencies(
            dependencies, contents.EARLY_MODULES, contents.UNUSED_EARLY
        )
        entries: dict[str, Entry] = {
            "init": initramfs.file((_FILES / "init").read_bytes(), executable=True),
            "dhcp": initramfs.file((_FILES / "dhcp").read_bytes(), executable=True),
            "bin/busybox": initramfs.file(read("usr/bin/busybox"), executable=True),
            "dev/console": initramfs.console(),
            "sbin": Entry(mode=stat.S_IFLNK | 0o777, content=b"bin"),
        }
        target = f"lib/modules/{version}"
        for path in chosen:
            entries[f"{target}/{path}"] = initramfs.file(read(f"{below}/{path}"))
        texts = {
            "modules.dep": modules.dependencies_of(dependencies, chosen),
            "modules.alias": modules.aliases_of(read(f"{below}/modules.alias").decode(), chosen),
            "modules.symbols": "",
            "modules.builtin": read(f"{below}/modules.builtin").decode(),
        }
        for name, text in texts.items():
            entries[f"{target}/{name}"] = initramfs.file(text.encode())
    (folder / manifest.INITRAMFS).write_bytes(initramfs.archive(entries))
    return version


def _squash(tar: Path, out: Path) -> None:
    words = [
        "sqfstar",
        *("-quiet", "-no-progress", "-comp", "zstd"),
        *("-mkfs-time", str(EPOCH), "-all-time", str(EPOCH)),
        str(out),
        f"{_OURS}/vmlinuz",
        _LIST,
    ]
    with tar.open("rb") as opened:
        _run(words, stdin=opened)


def _packages(tar: Path) -> dict[str, str]:
    with tarfile.open(tar) as root:
        for each in root:
            if each.name.removeprefix("./") == _LIST:
                opened = root.extractfile(each)
                assert opened is not None
                lines = opened.read().decode().splitlines()
                return dict(sorted((name, version) for name, version in map(str.split, lines)))
    raise Unavailable("mmdebstrap wrote no list of packages")


def _run(words: list[str], stdin: io.BufferedReader | None = None) -> None:
    environment = {
        "PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
        "SOURCE_DATE_EPOCH": str(EPOCH),
        "LC_ALL": "C.UTF-8",
        **{name: text for name, text in os.environ.items() if name.lower().endswith("_proxy")},
    }
    environment.pop("SOURCE_DATE_EPOCH" if words[0] == "sqfstar" else "", None)
    done = subprocess.run(
        words, stdin=stdin or subprocess.DEVNULL, capture_output=True, env=environment, check=False
    )
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()[-8:]
        raise Unavailable(f"{words[0]} failed: " + "\n".join(said))

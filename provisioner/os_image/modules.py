"""Which kernel modules go into the initramfs, by what `depmod` wrote of their dependencies."""

from __future__ import annotations

from collections.abc import Iterable


def with_dependencies(
    dependencies: str, wanted: Iterable[str], unwanted: Iterable[str] = ()
) -> list[str]:
    """Return paths such as `kernel/fs/squashfs/squashfs.ko`, sorted.

    `dependencies` is the text of modules.dep.  A wanted path is below `kernel/`: a folder,
    with a slash at its end, or a file.
    """
    needs = {
        path: rest.split()
        for path, _, rest in (line.partition(":") for line in _lines(dependencies))
    }
    chosen = [path for path in needs if _is_below(path, wanted) and not _is_below(path, unwanted)]
    found: set[str] = set()
    for path in chosen:
        found.update((path, *needs[path]))
    return sorted(found)


def dependencies_of(dependencies: str, paths: Iterable[str]) -> str:
    """The lines of modules.dep for these modules."""
    kept = set(paths)
    lines = (line for line in _lines(dependencies) if line.partition(":")[0] in kept)
    return "".join(f"{line}\n" for line in lines)


def aliases_of(aliases: str, paths: Iterable[str]) -> str:
    """The lines of modules.alias for these modules."""
    names = {path.rpartition("/")[2].partition(".")[0].replace("-", "_") for path in paths}
    lines = (line for line in _lines(aliases) if line.rpartition(" ")[2] in names)
    return "".join(f"{line}\n" for line in lines)


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def _is_below(path: str, places: Iterable[str]) -> bool:
    below = path.removeprefix("kernel/")
    return any(below.startswith(each) if each.endswith("/") else below == each for each in places)

"""Edits the trees of a commit, reading and writing only the changed paths.

A folder is loaded when somebody first needs it.  Changing a file patches 20 bytes in each
folder above it, so a report costs the same at 1,000 and at 100,000 workflows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from provisioner.git.object_reader import TreeEntry, parse_tree

TREE_MODE = 0o40000
FILE_MODE = 0o100644
EXECUTABLE_MODE = 0o100755
DEPTH_LIMIT = 64  # folders in folders; ours are 6 deep, a hostile tree can be thousands
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
_LOADED_LIMIT = 4096  # folders held in memory; a day of reports touches some 260

ReadTree = Callable[[str], bytes]  # the content of a tree, by id
WriteTree = Callable[[bytes], bytes]  # takes a tree's content, returns its id (20 bytes)


class _Folder:
    """One tree: its raw content, where each id stands in it, and the folders that are loaded.

    New names wait in `new` and are sorted in together, once for each commit.
    """

    __slots__ = ("changed", "children", "new", "places", "raw")

    def __init__(self, raw: bytes) -> None:
        self.raw = bytearray(raw)
        self.places: dict[bytes, int] = {}  # name: offset of its id
        self.new: dict[bytes, tuple[int, bytes]] = {}  # name: mode, id
        self.children: dict[bytes, _Folder] = {}
        self.changed: set[bytes] = set()  # children whose id is out of date
        self._find_places()

    @property
    def is_empty(self) -> bool:
        return not (self.raw or self.new or self.children)

    def holds(self, name: bytes) -> bool:
        return name in self.places or name in self.new or name in self.children

    def get(self, name: bytes) -> TreeEntry | None:
        if name in self.new:
            new_mode, id = self.new[name]
            return TreeEntry(new_mode, name, id.hex())
        at = self.places.get(name)
        if at is None:
            return None
        mode = bytes(self.raw[self._start(name, at) : at - len(name) - 2])
        return TreeEntry(int(mode, 8), name, self.raw[at : at + 20].hex())

    def put(self, name: bytes, mode: int, id: bytes) -> None:
        at = self.places.get(name)
        if at is not None:
            prefix = b"%o %s\0" % (mode, name)
            if self.raw.startswith(prefix, at - len(prefix)):
                self.raw[at : at + 20] = id
                return
            self._cut(name, at)
        self.new[name] = (mode, id)

    def remove(self, name: bytes) -> None:
        at = self.places.get(name)
        if at is not None:
            self._cut(name, at)
        self.new.pop(name, None)
        self.children.pop(name, None)
        self.changed.discard(name)

    def content(self) -> bytes:
        if self.new:
            rows = [(_sort_key(each), each) for each in parse_tree(bytes(self.raw))]
            for name, (mode, id) in self.new.items():
                entry = TreeEntry(mode, name, id.hex())
                rows.append((_sort_key(entry), entry))
            rows.sort()
            self.raw[:] = b"".join(
                b"%o %s\0%s" % (each.mode, each.name, bytes.fromhex(each.id)) for _, each in rows
            )
            self.new.clear()
            self._find_places()
        return bytes(self.raw)

    def _cut(self, name: bytes, at: int) -> None:
        del self.raw[self._start(name, at) : at + 20]
        self._find_places()

    def _start(self, name: bytes, at: int) -> int:
        """Where the entry whose id is at `at` begins: its mode has five or six digits."""
        end = at - len(name) - 2
        return end - (5 if self.raw.startswith(b"40000", end - 5) else 6)

    def _find_places(self) -> None:
        raw, at = self.raw, 0
        self.places = places = {}
        while at < len(raw):
            space = raw.index(b" ", at)
            nul = raw.index(b"\0", space)
            places[bytes(raw[space + 1 : nul])] = nul + 1
            at = nul + 21


def _sort_key(entry: TreeEntry) -> bytes:
    return entry.name + b"/" if entry.is_tree else entry.name


class TreeEditor:
    """The tree of the newest commit, with changes.  One thread uses it."""

    def __init__(self, root: str, read: ReadTree) -> None:
        self._read = read
        self._root = self._load(root)
        self._loaded = 1
        self._changing: dict[str, _Folder] = {}  # by path; all above them know of the change

    def put(self, path: str, mode: int, id: bytes) -> None:
        """Set a file, or a whole folder when the mode is a tree's."""
        place, _, name_text = path.rpartition("/")
        folder = self._changing.get(place)
        if folder is None:
            folder = self._root
            for part in _parts(place) if place else ():
                folder.changed.add(part)
                folder = self._child(folder, part)
            self._changing[place] = folder
        name = name_text.encode("utf-8", "surrogateescape")
        if folder.children:
            folder.children.pop(name, None)
            folder.changed.discard(name)
            self._changing = {place: folder}  # what was below it is another's now
        folder.put(name, mode, id)

    def remove(self, path: str) -> None:
        """Remove a path, if it is there, and the folders that it leaves empty."""
        *folders, name = _parts(path)
        self._changing.clear()
        trail = [self._root]
        for part in folders:
            if not self._is_folder(trail[-1], part):
                return
            trail.append(self._child(trail[-1], part))
        if not trail[-1].holds(name):
            return
        trail[-1].remove(name)
        for above, part in zip(reversed(trail[:-1]), reversed(folders), strict=True):
            if above.children[part].is_empty:
                above.remove(part)
            else:
                above.changed.add(part)

    def get(self, path: str) -> TreeEntry | None:
        *folders, name = _parts(path)
        folder = self._root
        for part in folders:
            if not self._is_folder(folder, part):
                return None
            folder = self._child(folder, part)
        return folder.get(name)

    def write(self, write: WriteTree) -> bytes:
        """Write the folders that changed, deepest first; return the id of the root."""
        self._changing.clear()
        root = _write(self._root, write)
        if self._loaded > _LOADED_LIMIT:
            self._root = _Folder(self._root.content())
            self._loaded = 1
        return root

    def _is_folder(self, folder: _Folder, name: bytes) -> bool:
        entry = folder.get(name)
        return name in folder.children or (entry is not None and entry.is_tree)

    def _child(self, folder: _Folder, name: bytes) -> _Folder:
        child = folder.children.get(name)
        if child is None:
            entry = folder.get(name)
            child = self._load(entry.id) if entry and entry.is_tree else _Folder(b"")
            folder.children[name] = child
            self._loaded += 1
        return child

    def _load(self, tree_id: str) -> _Folder:
        return _Folder(b"" if tree_id == EMPTY_TREE else self._read(tree_id))


def _write(folder: _Folder, write: WriteTree) -> bytes:
    for name in sorted(folder.changed):
        folder.put(name, TREE_MODE, _write(folder.children[name], write))
    folder.changed.clear()
    return write(folder.content())


def _parts(path: str) -> list[bytes]:
    return path.encode("utf-8", "surrogateescape").split(b"/")


@dataclass(frozen=True, slots=True, kw_only=True)
class PathChange:
    """One file that two trees do not share; `path` keeps odd bytes by surrogateescape."""

    path: str
    old: TreeEntry | None
    new: TreeEntry | None


def compare(
    read: Callable[[str], list[TreeEntry]], old: str | None, new: str | None, *, prefix: str = ""
) -> Iterator[PathChange]:
    """Yield the files that differ; folders with one id on both sides are never read.

    A folder below `DEPTH_LIMIT` others is not read but yielded, as if it were a file.
    """
    if old == new:
        return
    was = {each.name: each for each in read(old)} if old else {}
    now = {each.name: each for each in read(new)} if new else {}
    is_deepest = prefix.count("/") >= DEPTH_LIMIT
    for name in sorted(was.keys() | now.keys()):
        before, after = was.get(name), now.get(name)
        if before == after:
            continue
        path = prefix + name.decode("utf-8", "surrogateescape")
        sides = [
            each if each and (is_deepest or not each.is_tree) else None for each in (before, after)
        ]
        if sides[0] or sides[1]:
            yield PathChange(path=path, old=sides[0], new=sides[1])
        if not is_deepest:
            below = [each.id if each and each.is_tree else None for each in (before, after)]
            yield from compare(read, below[0], below[1], prefix=f"{path}/")

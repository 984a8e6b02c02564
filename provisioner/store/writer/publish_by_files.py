"""The plain way to publish a commit: by its files alone, where no journal takes it.

Pack and index, then their directory and the new ref, then the ref's directory: three syncs one
after the other, in an order that no power cut can upset.
"""

from __future__ import annotations

from provisioner.git import disk
from provisioner.git.pack import Pack
from provisioner.git.pack_files import PackFiles
from provisioner.git.ref_lock import RefLock


def publish(pack: Pack, files: PackFiles, ref: RefLock) -> None:
    """Make a pack durable and then move the ref, which is taken; raises OSError."""
    files.add_durably(pack, ref.path)
    ref.move()
    disk.sync(ref.directory)
    files.let_go(pack)

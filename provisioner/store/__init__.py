"""What is stored in git, room by room; none imports one that stands after it in this list.

- status: how the status branch is laid out, encoded and read
- journal: by which one sync is enough for an acknowledgement, and its replay after a kill
- fsck: the proof of the status branch from its own history
- guard: what is remembered outside the branches, and what is done when somebody moved them
- writer: the one writer of the status branch
- upkeep: joining packs, archiving, checkpoints
- desired: reading the desired branch, and the command line's commits to it
"""

"""Joining packs, archiving, checkpoints."""

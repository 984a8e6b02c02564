"""Tinkgit: provision bare metal from a git repository."""

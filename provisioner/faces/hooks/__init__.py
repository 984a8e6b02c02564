"""Hears from a forge that somebody pushed."""

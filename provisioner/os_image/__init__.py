"""Builds the in-memory operating system that machines boot from the network (`tink os build`).

Debian packages and the worker become a squashfs; a small initramfs fetches it over HTTP.
"""

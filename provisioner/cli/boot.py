"""`tink boot`: what a machine would boot, and what an existing DHCP server needs to know."""

from __future__ import annotations

"""At which of our addresses a machine is told to go on."""

from __future__ import annotations

"""How the status branch is laid out, encoded and read."""

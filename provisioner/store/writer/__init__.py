"""The one writer of the status branch."""

"""The proof of the status branch from its own history."""

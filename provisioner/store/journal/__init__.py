"""The journal, by which one sync is enough for an acknowledgement, and its replay after a kill."""

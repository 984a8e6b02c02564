"""What makes one sync enough for an acknowledgement, and its replay after a kill."""

"""Reading the desired branch, and the command line's commits to it."""

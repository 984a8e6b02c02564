"""`python -m worker` is `tink-worker`."""

from worker.main import main

main()

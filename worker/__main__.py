"""`python worker` and the zipapp start here."""

import sys

from worker.main import main

sys.exit(main())

"""`python -m provisioner.cli` is `tink`."""

from provisioner.cli.main import main

main()

"""The worker: runs on the machine that is being provisioned."""

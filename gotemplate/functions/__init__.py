"""The functions that templates may call: Go's own, sprig's provisioning core, Tinkerbell's."""

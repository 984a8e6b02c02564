"""Texts that machines boot by: iPXE scripts, and what DHCP servers are configured with.  Pure."""

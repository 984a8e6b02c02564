"""DHCP and TFTP, by a dnsmasq that the server starts and watches."""

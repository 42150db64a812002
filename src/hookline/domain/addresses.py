"""Addresses of machines: which belong to the public Internet, and which names lead inside."""

import ipaddress
import socket
from typing import Final

# What stands for an address of the old kind inside one of the new: it could be any.
_TRANSLATED: Final = tuple(map(ipaddress.ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")))
_INSIDE: Final = ("localhost", "local", "internal", "localdomain", "home.arpa")


def is_address(host: str) -> bool:
    """Whether a host is written as an address, in whichever notation a resolver takes."""
    try:
        socket.inet_aton(host)
    except OSError:
        return ":" in host
    return True


def is_public(address: str) -> bool:
    """Whether an address belongs to the public Internet."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    if mapped is not None:
        parsed = mapped
    if parsed.version == 6 and any(parsed in network for network in _TRANSLATED):
        return False
    return parsed.is_global and not parsed.is_multicast


def leads_inside(host: str) -> bool:
    """Whether a host certainly is nothing that the public Internet can reach: by its address, or by its name."""
    name = host.lower().rstrip(".")
    if is_address(name):
        return not is_public(name)
    return any(name == one or name.endswith(f".{one}") for one in _INSIDE)

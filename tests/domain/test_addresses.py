"""Addresses: what is public, and what leads inside, in every notation."""

import pytest

from hookline.domain.addresses import is_public, leads_inside


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1:248:1893:25c8:1946", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:93.184.216.34", True),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
        ("nonsense", False),
    ],
)
def test_public_addresses(address: str, public: bool) -> None:
    """Only what belongs to the public Internet, in either notation, and through no translation."""
    assert is_public(address) is public


@pytest.mark.parametrize(
    ("host", "inside"),
    [
        ("shop.example", False),
        ("localhost.example", False),
        ("93.184.216.34", False),
        ("localhost", True),
        ("LOCALHOST.", True),
        ("db.internal", True),
        ("printer.local", True),
        ("127.0.0.1", True),
        ("127.1", True),
        ("2130706433", True),
        ("0x7f000001", True),
        ("169.254.169.254", True),
        ("10.0.0.7", True),
        ("::1", True),
        ("::ffff:10.0.0.7", True),
    ],
)
def test_what_leads_inside(host: str, inside: bool) -> None:
    """Addresses in every notation, and the names that never leave a network."""
    assert leads_inside(host) is inside

"""Roles and what they may do."""

import pytest

from hookline.domain.principal import Role


@pytest.mark.parametrize(
    ("role", "manages"), [(Role.OWNER, True), (Role.ADMIN, True), (Role.MANAGER, True), (Role.MEMBER, False)]
)
def test_all_but_members_manage(role: Role, manages: bool) -> None:
    """Connecting, disconnecting and repairing is for OWNER, ADMIN and MANAGER."""
    assert role.manages is manages

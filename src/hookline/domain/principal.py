"""Who calls the API: a subject, and the role it has in each of its organizations."""

from enum import StrEnum

import msgspec


class Role(StrEnum):
    """Roles, most powerful first. Members read and send; the others also connect, disconnect and repair."""

    OWNER = "OWNER"
    ADMIN = "ADMIN"
    MANAGER = "MANAGER"
    MEMBER = "MEMBER"

    @property
    def manages(self) -> bool:
        """Whether the role may connect, disconnect and repair."""
        return self is not Role.MEMBER


class Principal(msgspec.Struct, frozen=True):
    """An authenticated caller: `organizations` maps organization id to role."""

    subject: str
    organizations: dict[str, Role]

"""A connected account: one authorized number, page or Instagram account of one organization."""

from enum import StrEnum


class IntegrationProvider(StrEnum):
    """The platform an account lives on. Each one's name is its value, as it is stored."""

    WHATSAPP = "WHATSAPP"
    INSTAGRAM = "INSTAGRAM"
    FACEBOOK = "FACEBOOK"


class ConnectedAccountStatus(StrEnum):
    """CONNECTED and ERROR accounts are live (webhooks reach them); DISCONNECTED ones only keep their history."""

    CONNECTED = "CONNECTED"
    DISCONNECTED = "DISCONNECTED"
    ERROR = "ERROR"

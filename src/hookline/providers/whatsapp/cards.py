"""A contact card in WhatsApp's words. Source: protocol reference 2.1 (contacts), 7.1."""

from typing import Any

import msgspec

from hookline.domain.outbound_media import Card

# Ours → the vendor's, wherever they stand in a card.
_THEIRS = {
    "formattedName": "formatted_name",
    "firstName": "first_name",
    "lastName": "last_name",
    "middleName": "middle_name",
    "waId": "wa_id",
    "countryCode": "country_code",
}


def card(given: Card) -> dict[str, Any]:
    """Write a card; what is empty is left out."""
    built: dict[str, Any] = _theirs(msgspec.to_builtins(given))
    return built


def _theirs(value: Any) -> Any:
    if isinstance(value, dict):
        return {_THEIRS.get(name, name): _theirs(member) for name, member in value.items()}
    return [_theirs(one) for one in value] if isinstance(value, list | tuple) else value

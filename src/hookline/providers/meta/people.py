"""Who somebody is, asked by the id that webhooks name them by. Source: protocol reference 3 (user profile), 6.1."""

from typing import Any, Final

from hookline.domain.provider_error import ErrorClass, ProviderError
from hookline.providers.accounts import Profile
from hookline.providers.meta import lenient
from hookline.providers.meta.graph import Graph, node

MESSENGER_FIELDS: Final = "first_name,last_name,profile_pic"
INSTAGRAM_FIELDS: Final = "name,username,profile_pic"

# What means that the token itself is not accepted. Other permissions that lack are missed for profiles only.
_OF_TOKEN: Final = frozenset({"0", "102", "190"})
_FOR_NOW: Final = frozenset({ErrorClass.WAIT, ErrorClass.RETRY})


async def read_profile(graph: Graph, token: str, person_id: str, fields: str) -> Profile:
    """Ask who somebody is.

    Raises: ProviderError: of class RECIPIENT, if the platform does not say (no consent, no permission, nobody there);
    else as any call.
    """
    try:
        answer = await graph.call("GET", node(person_id), token=token, params={"fields": fields})
    except ProviderError as error:
        code = (error.code or "").partition("/")[0]
        if error.error_class in _FOR_NOW or code in _OF_TOKEN:
            raise
        raise ProviderError(ErrorClass.RECIPIENT, error.code, error.text, http_status=error.http_status) from None
    return Profile(
        name=_name(answer),
        username=lenient.optional_string(answer.get("username")),
        picture_url=lenient.optional_string(answer.get("profile_pic")),
    )


def _name(answer: dict[str, Any]) -> str | None:
    parts = [lenient.string(answer.get(part)) for part in ("first_name", "last_name")]
    return lenient.optional_string(answer.get("name")) or " ".join(filter(None, parts)) or None

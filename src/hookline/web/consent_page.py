"""What a person sees who comes back from a platform's dialog and is sent on to nowhere: how it ended, and what to do.

The page shows, and offers nothing to press: the browser is known by a state that stood in addresses, which is enough to
end the consent, and not to choose in somebody's name (docs/decisions/0043).
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from hookline.domain.connect_error import (
    AccessDenied,
    AccountElsewhere,
    MissingPermissions,
    NoEligibleAccount,
    NotConfigured,
    PinRequired,
    StateUsed,
)
from hookline.domain.errors import RequestError
from hookline.services.connect import Connected
from hookline.services.oauth import Offer
from hookline.web.pages import Page, asked_for

_START: Final = "/api/integrations/"
_END: Final = "/callback"

STYLE: Final = """
:root { color-scheme: light dark; --good: #0f7b5f; --open: #0866ff; --bad: #b3261e; --line: #8884; }
body { margin: 0; font: 1rem/1.5 system-ui, sans-serif; }
main { box-sizing: border-box; max-width: 34rem; margin: 2rem auto; padding: 1.5rem 2rem; overflow-wrap: anywhere;
  border: 1px solid var(--line); border-top: .4rem solid var(--good); border-radius: .5rem; }
.open main { border-top-color: var(--open); }
.bad main { border-top-color: var(--bad); }
h1 { margin-top: 0; font-size: 1.4rem; line-height: 1.25; }
small { opacity: .75; }
@media (max-width: 40rem) { main { margin: 0; padding: 1rem; border-radius: 0; } }
"""

# A code and a state stand in the address: no page that comes after it may learn them.
PRIVATE: Final = {"Referrer-Policy": "no-referrer", "Vary": "Accept"}
PAGE: Final = Page("consent.html", STYLE, PRIVATE)

_HEADINGS: Final[dict[type[RequestError], str]] = {
    AccessDenied: "You declined",
    MissingPermissions: "A permission is missing",
    NoEligibleAccount: "There is no account to connect",
    AccountElsewhere: "The account is connected elsewhere",
    PinRequired: "The number has a PIN",
    StateUsed: "This link has been used",
}
_NEXT: Final[dict[type[RequestError], str]] = {
    AccessDenied: "Nothing was connected. To connect after all, go back to where you began, and begin again.",
    PinRequired: "Nothing was connected yet. Go back to where you began: you can go on there with the PIN.",
    NotConfigured: "Nothing was connected. Tell those who operate this service.",
    StateUsed: "What it brought about the first time stands. Go back to where you began to see it.",
}
_BEGIN_AGAIN: Final = "Nothing was connected. Go back to where you began, and begin again."


class _Shown(NamedTuple):
    """An account on the page."""

    name: str | None
    id: str


def wanted(request: Request) -> bool:
    """Whether a person's browser asks at the end of a consent; a program that names JSON first gets JSON."""
    path = request.url.path
    page, json = asked_for(request.headers.get("accept", ""))
    return path.startswith(_START) and path.endswith(_END) and page > json


def connected(done: Connected) -> Response:
    """Say that an account is connected."""
    shown = _Shown(done.account.display_name, done.account.external_account_id)
    further = "You can close this window, and go back to where you began."
    return _page(200, "good", "Connected", None, further, [shown])


def offered(offer: Offer) -> Response:
    """Name the accounts that a consent reaches, and say where to choose."""
    accounts = [_Shown(one.display_name, one.external_account_id) for one in offer.accounts]
    said = "You have allowed access to several accounts. None of them is connected yet."
    further = f"Go back to where you began, and choose there until {offer.expires_at:%H:%M} UTC."
    return _page(200, "open", "Choose an account", said, further, accounts)


def refused(status: int, error: RequestError) -> Response:
    """Say why nothing was connected, and what to do."""
    kind = type(error)
    mood = "open" if kind in (PinRequired, StateUsed) else "bad"
    detail = str(error)
    said = detail[:1].upper() + detail[1:].removesuffix(".") + "."
    return _page(status, mood, _HEADINGS.get(kind, "This did not work"), said, _NEXT.get(kind, _BEGIN_AGAIN))


def _page(
    status: int, mood: str, heading: str, said: str | None, further: str, accounts: Sequence[_Shown] = ()
) -> Response:
    return PAGE.answer(status, mood=mood, heading=heading, said=said, next=further, accounts=accounts)

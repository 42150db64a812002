"""The page that tells a person how far the deletion of their data is, and nothing about them."""

from datetime import datetime
from typing import Final

from starlette.responses import Response

from hookline.domain.privacy import PrivacyRequestStatus
from hookline.store.privacy_requests import State
from hookline.web.pages import Page

STYLE: Final = """
:root { color-scheme: light dark; }
body { font: 18px/1.6 system-ui, sans-serif; max-width: 36rem; margin: 15vh auto 0; padding: 1.5rem; }
h1 { font-size: 1.4rem; }
"""
# The address is all that somebody needs to ask: it is told to nobody else, and kept by no search engine.
HEADERS: Final = {"Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex, nofollow", "Vary": "Accept"}
_PAGE: Final = Page("deletion.html", STYLE, HEADERS)


def show(found: State | None) -> Response:
    """Show how far it is; without a request, that there is none."""
    if found is None:
        return _PAGE.answer(
            404, word="Not known.", said="There is no request with this code. Check the address.", came=None
        )
    match found.status:
        case PrivacyRequestStatus.RECEIVED:
            word, said = "Received.", "The deletion will begin shortly."
        case PrivacyRequestStatus.UNDERWAY:
            word, said = "Under way.", "Your data is being deleted."
        case PrivacyRequestStatus.DONE:
            word, said = "Done.", f"Your data was deleted on {_day(found.done_at or found.received_at)}."
    return _PAGE.answer(200, word=word, said=said, came=_day(found.received_at))


def _day(moment: datetime) -> str:
    return moment.strftime("%d %B %Y, %H:%M UTC")

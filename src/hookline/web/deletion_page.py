"""The page that tells a person how far the deletion of their data is, and nothing about them."""

import base64
import hashlib
from datetime import datetime
from string import Template
from typing import Final

from hookline.domain.privacy import PrivacyRequestStatus
from hookline.store.privacy_requests import State

STYLE: Final = """
:root { color-scheme: light dark; }
body { font: 18px/1.6 system-ui, sans-serif; max-width: 36rem; margin: 15vh auto 0; padding: 1.5rem; }
h1 { font-size: 1.4rem; }
"""
_HASH: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

# The address is all that somebody needs to ask: it is told to nobody else, and kept by no search engine.
HEADERS: Final = {"Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex, nofollow", "Vary": "Accept"}
# No script, no font, no image, no frame, no form; the one style sheet by its hash.
POLICY: Final = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

_PAGE: Final = Template("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Deletion of your data</title>
<style>$style</style>
</head>
<body>
<main>
<h1>Deletion of your data</h1>
$said
</main>
</body>
</html>
""")

_UNKNOWN: Final = "<p><strong>Not known.</strong> There is no request with this code. Check the address.</p>"


def render(found: State | None) -> str:
    """Write the page; without a request, that there is none."""
    return _PAGE.substitute(style=STYLE, said=_UNKNOWN if found is None else _said(found))


def _said(found: State) -> str:
    received = f"<p>Your request came on {_day(found.received_at)}.</p>"
    match found.status:
        case PrivacyRequestStatus.RECEIVED:
            return f"<p><strong>Received.</strong> The deletion will begin shortly.</p>{received}"
        case PrivacyRequestStatus.UNDERWAY:
            return f"<p><strong>Under way.</strong> Your data is being deleted.</p>{received}"
        case PrivacyRequestStatus.DONE:
            ended = found.done_at or found.received_at
            return f"<p><strong>Done.</strong> Your data was deleted on {_day(ended)}.</p>{received}"


def _day(moment: datetime) -> str:
    return moment.strftime("%d %B %Y, %H:%M UTC")

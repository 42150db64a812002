"""How the fake platforms and the people on them behave on their own; control can change all of it.

The defaults make a conversation in development pleasant, and no platform's rule weaker.
"""

from enum import StrEnum

import msgspec


class Reads(StrEnum):
    """When people read what they are sent."""

    OPEN = "open"  # while the chat page shows the conversation, or when control says so
    ALWAYS = "always"
    NEVER = "never"


class Review(StrEnum):
    """What becomes of a new template."""

    APPROVE = "approve"
    REJECT = "reject"
    MANUAL = "manual"  # it stays PENDING until control decides


class Conduct(msgspec.Struct, kw_only=True, rename="camel"):
    """What happens by itself.

    statuses: whether sent, delivered and read are told at all; each comes so many seconds after the acceptance.
    strangers: a number that nobody has is given to a new person; otherwise it is undeliverable (131026).
    allowed: numbers that may be written to; empty is all (131030). windows: free-form messages outside the window
    fail. window_refused: WhatsApp refuses them at once, instead of accepting and failing them by a status.
    check_links: media that are sent by link are fetched, and fail if they cannot be.
    conversations: statuses bear the `conversation` of versions before v24 (reference 2.2).
    instagram_metadata: Instagram's echoes bear metadata and app id, as Messenger's do.
    media_seconds, upload_days: how long a media URL and an uploaded id live (reference 2.5).
    """

    statuses: bool = True
    sent_seconds: float = 0.05
    delivered_seconds: float = 0.25
    read_seconds: float = 0.5
    reads: Reads = Reads.OPEN
    strangers: bool = True
    allowed: list[str] = []
    windows: bool = True
    window_refused: bool = False
    check_links: bool = False
    conversations: bool = False
    instagram_metadata: bool = False
    review: Review = Review.APPROVE
    review_seconds: float = 0.5
    media_seconds: float = 300.0
    upload_days: float = 30.0

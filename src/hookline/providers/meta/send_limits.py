"""What Messenger and Instagram allow alike: when a person may be written to, how fast, and templates with buttons.

Source: protocol reference 7.2, 7.3, 8; the vendor's pages on templates, quick replies, and on what opens the window.
"""

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Final

from hookline.domain.capability import ALLOWED, Limit, Rule, Unit
from hookline.domain.message import MessageType
from hookline.domain.outbound import OutboundType
from hookline.domain.sending import Pace, Policy

# What a person sends, presses or reacts with opens it, story replies and mentions among it, and so does following a
# link into the conversation. A comment does not: it may be answered privately once.
POLICY: Final = Policy(
    window=timedelta(hours=24),
    human_agent=timedelta(days=7),
    templates=False,
    opened_by=frozenset(MessageType) - {MessageType.SYSTEM, MessageType.COMMENT},
    opened_by_notices=frozenset({"referral", "optin"}),
)

TEXT_PER_SECOND: Final = 300.0
SOUND_AND_FILM_PER_SECOND: Final = 10.0
_SLOW: Final = frozenset({OutboundType.AUDIO, OutboundType.VIDEO})

_ITEMS = Unit.ITEMS

INTERACTIVE: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        "quickReplies": Limit(13, _ITEMS),
        "quickReplies.title": Limit(20),
        "quickReplies.payload": Limit(1000),
        "interactive.buttons": ALLOWED,
        "interactive.buttons.body": Limit(640),
        "interactive.buttons.buttons": Limit(3, _ITEMS),
        "interactive.buttons.buttons.title": Limit(20),
        "interactive.buttons.buttons.id": Limit(1000),
        "interactive.cta_url": ALLOWED,
        "interactive.cta_url.body": Limit(640),
        "interactive.cta_url.button.title": Limit(20),
        "interactive.carousel": ALLOWED,
        "interactive.carousel.cards": Limit(10, _ITEMS),
        "interactive.carousel.cards.title": Limit(80),
        "interactive.carousel.cards.text": Limit(80),
        "interactive.carousel.cards.buttons": Limit(3, _ITEMS),
        "interactive.carousel.cards.buttons.title": Limit(20),
        "tag.HUMAN_AGENT": ALLOWED,
        "read": ALLOWED,
        "typing": ALLOWED,
        "raw": ALLOWED,
    }
)


def pace_of(kind: OutboundType) -> Pace:
    """300 messages a second, but 10 with sound or film, counted apart. Source: protocol reference 8."""
    if kind in _SLOW:
        return Pace(SOUND_AND_FILM_PER_SECOND, lane="media")
    return Pace(TEXT_PER_SECOND)

"""What WhatsApp can carry, when, and how fast.

Source: protocol reference 2.5 (files), 7.1 (lengths, window), 8 (throughput). Lengths of captions and of the parts of
flows, calls to action and carousels: the vendor's pages on each message type.
"""

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Final

from hookline.domain.capability import ALLOWED, Capabilities, Files, Limit, Rule, Unit
from hookline.domain.message import MessageType
from hookline.domain.sending import Pace, PairPace, Policy
from hookline.providers.meta import lenient

_MEGABYTE = 1024 * 1024
_ITEMS = Unit.ITEMS
_CAPTION = Limit(1024)
_FOOTER = Limit(60)
_BODY = Limit(1024)

_IMAGE = Files(5 * _MEGABYTE, ("image/jpeg", "image/png"))
_VIDEO = Files(16 * _MEGABYTE, ("video/mp4", "video/3gpp"))
_DOCUMENT = Files(100 * _MEGABYTE)
_AUDIO = Files(
    16 * _MEGABYTE,
    ("audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg", "audio/x-m4a", "audio/mp4a-latm", "audio/opus"),
)


def _interactive(kind: str, *, body: Limit = _BODY, headers: bool = True, **more: Rule) -> dict[str, Rule]:
    """The rows of one interactive kind: what is around it, and what is its own."""
    prefix = f"interactive.{kind}"
    around: dict[str, Rule] = {prefix: ALLOWED, f"{prefix}.body": body, f"{prefix}.footer": _FOOTER}
    if headers:
        around |= {
            f"{prefix}.header.text": Limit(60),
            f"{prefix}.header.image": _IMAGE,
            f"{prefix}.header.video": _VIDEO,
            f"{prefix}.header.document": _DOCUMENT,
        }
    return around | {f"{prefix}.{name.replace('__', '.')}": rule for name, rule in more.items()}


CAPABILITIES: Final[Capabilities] = MappingProxyType(
    {
        "text": Limit(4096),
        "previewUrl": ALLOWED,
        "image": _IMAGE,
        "image.caption": _CAPTION,
        "video": _VIDEO,
        "video.caption": _CAPTION,
        "audio": _AUDIO,
        "audio.voice": ALLOWED,
        "document": _DOCUMENT,
        "document.caption": _CAPTION,
        "document.filename": Limit(240),
        "sticker": Files(500 * 1024, ("image/webp",)),
        "location": ALLOWED,
        "contacts": Limit(257, _ITEMS),
        "reaction": ALLOWED,
        "replyTo": ALLOWED,
        "template": ALLOWED,
        "template.marketing": ALLOWED,
        "read": ALLOWED,
        "typing": ALLOWED,
        "raw": ALLOWED,
        **_interactive(
            "buttons", buttons=Limit(3, _ITEMS), buttons__title=Limit(20), buttons__id=Limit(256)
        ),
        **_interactive(
            "list",
            body=Limit(4096),
            headers=False,
            header__text=Limit(60),
            button=Limit(20),
            rows=Limit(10, _ITEMS),
            rows__title=Limit(24),
            rows__id=Limit(200),
            rows__description=Limit(72),
            sections__title=Limit(24),
        ),
        **_interactive("cta_url", button__title=Limit(20)),
        **_interactive("flow", cta=Limit(30)),
        **_interactive("location_request", headers=False),
        **_interactive("product", headers=False),
        **_interactive(
            "product_list",
            headers=False,
            header__text=Limit(60),
            sections=Limit(10, _ITEMS),
            products=Limit(30, _ITEMS),
        ),
        **_interactive("catalog", headers=False),
        "interactive.carousel": ALLOWED,
        "interactive.carousel.body": _BODY,
        "interactive.carousel.cards": Limit(10, _ITEMS),
        "interactive.carousel.cards.title": Limit(160),
        "interactive.carousel.cards.text": Limit(160),
        "interactive.carousel.cards.video": _VIDEO,
        "interactive.carousel.cards.buttons": Limit(3, _ITEMS),
        "interactive.carousel.cards.buttons.title": Limit(20),
        **_interactive("call_permission", headers=False),
        **_interactive("address", headers=False),
        **_interactive("order_details"),
    }
)  # fmt: skip

# A call opens the window too, and a reaction is a message. Source: protocol reference 7.1.
POLICY: Final = Policy(
    window=timedelta(hours=24),
    human_agent=None,
    templates=True,
    opened_by=frozenset(MessageType) - {MessageType.SYSTEM, MessageType.COMMENT},
)

# Source: protocol reference 8.
PAIR: Final = PairPace(interval_seconds=6, burst=45)
STANDARD_PER_SECOND: Final = 80.0
UPGRADED_PER_SECOND: Final = 1000.0
COEXISTENCE_PER_SECOND: Final = 20.0


def pace_of(metadata: Mapping[str, Any]) -> Pace:
    """Tell a number's throughput by what is known of it: 20 a second beside the phone app, 1,000 once upgraded, or 80.

    metadata: `isOnBizApp` and `throughput` (`{"level": "HIGH"}`, or the level itself) as the number's own fields say,
    `qualityEvent` as the webhooks do.
    Source: protocol reference 8; 7.1 (the number's fields), 2.4 (THROUGHPUT_UPGRADE).
    """
    if metadata.get("isOnBizApp") is True or metadata.get("coexistence") is True:
        return Pace(COEXISTENCE_PER_SECOND, pair=PAIR)
    throughput = metadata.get("throughput")
    level = lenient.mapping(throughput).get("level") or throughput
    upgraded = level == "HIGH" or metadata.get("qualityEvent") == "THROUGHPUT_UPGRADE"
    return Pace(UPGRADED_PER_SECOND if upgraded else STANDARD_PER_SECOND, pair=PAIR)

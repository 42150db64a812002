"""How the fake platforms behave where the real ones differ, or where nobody knows: switches that control can set."""

from typing import Literal

import msgspec

MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR


class Behaviour(msgspec.Struct, kw_only=True, rename="camel"):
    """The switches, with what the reference holds for likeliest.

    instagram_exchange_wrapped, instagram_permissions_as_list: the two shapes of api.instagram.com's reply (5.2.3).
    instagram_refresh_rotates: a refreshed token is a new text; the old one stays valid for its own time (5.2.5).
    facebook_fragment: `#_=_` is added to Facebook's redirects (5.1.2). page_size: of lists, if nothing is asked for.
    hidden_phone: how a webhook shows somebody who hides their number: without `from`, with an empty one, or with the
    business-scoped id in its place (2.6). instagram_comments: in `changes`, or spread over the entry (4).
    The rest are lives, in seconds.
    """

    instagram_exchange_wrapped: bool = False
    instagram_permissions_as_list: bool = False
    instagram_refresh_rotates: bool = True
    facebook_fragment: bool = True
    page_size: int = 25
    hidden_phone: Literal["absent", "empty", "scoped"] = "absent"
    instagram_comments: Literal["changes", "entry"] = "changes"
    facebook_code_seconds: int = 10 * MINUTE
    signup_code_seconds: int = 30
    instagram_code_seconds: int = HOUR
    user_token_seconds: int = HOUR
    long_lived_seconds: int = 60 * DAY
    data_access_seconds: int = 90 * DAY
    instagram_short_seconds: int = HOUR
    instagram_refresh_after_seconds: int = DAY
    register_within_seconds: int = 14 * DAY

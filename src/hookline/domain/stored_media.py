"""Files that are kept here: their states, their names, and how a browser may be given them."""

import re
from enum import StrEnum
from typing import Final

from hookline.domain.connect_error import Gone
from hookline.domain.errors import Conflict

# A browser shows these itself, and none of them can run anything.
SHOWN: Final = frozenset(
    {
        *("image/jpeg", "image/png", "image/gif", "image/webp"),
        *("audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg", "audio/opus", "audio/wav", "audio/webm"),
        *("video/mp4", "video/3gpp", "video/webm", "video/ogg", "video/quicktime"),
    }
)
ANY_TYPE: Final = "application/octet-stream"
_TYPE: Final = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")
_LONGEST_NAME: Final = 200
_UNFIT: Final = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffd]+')


class MediaState(StrEnum):
    """What became of a file."""

    WAITING = "WAITING"  # still to be fetched
    STORED = "STORED"
    FAILED = "FAILED"  # it cannot be had; `reason` says why
    GONE = "GONE"  # the platform has it no more


def content_type(stated: str | None) -> str:
    """Give a content type without parameters, in small letters; what is none becomes `application/octet-stream`."""
    plain = (stated or "").partition(";")[0].strip().lower()
    return plain if _TYPE.fullmatch(plain) else ANY_TYPE


def safe_filename(name: str | None) -> str | None:
    """Give the last part of a file's name, without what leads elsewhere or deceives; None if nothing is left."""
    last = re.split(r"[/\\]", name or "")[-1]
    cleaned = _UNFIT.sub("_", last).strip(" .")
    return cleaned[-_LONGEST_NAME:] or None


class NotYetFetched(Conflict):
    """A file that is still at its platform; it will be here in a moment."""

    slug = "not-yet-fetched"


class FileGone(Gone):
    """A file that cannot be had."""

    slug = "file-gone"

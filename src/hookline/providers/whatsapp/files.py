"""A file in WhatsApp's words: `{id | link, caption?, filename?, voice?}`. Source: protocol reference 7.1."""

from typing import Any

from hookline.domain.outbound_media import Audio, CaptionedFile, Document, File


def file(given: File | None) -> dict[str, Any]:
    """Name a file by its link, or by its id at the platform."""
    if given is None:
        return {}
    built: dict[str, Any] = {"id": given.media_id} if given.url is None else {"link": given.url}
    if isinstance(given, CaptionedFile) and given.caption is not None:
        built["caption"] = given.caption
    if isinstance(given, Document) and given.filename is not None:
        built["filename"] = given.filename
    if isinstance(given, Audio) and given.voice:
        built["voice"] = True
    return built

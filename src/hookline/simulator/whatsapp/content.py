"""The content of a free-form message, type by type, but for interactive ones. Source: protocol reference 7.1."""

from hookline.simulator.whatsapp.checks import CHECK, Json

LONGEST_TEXT = 4096
LONGEST_CAPTION = 1024
_LONGEST_ID = 256
_LONGEST_NAME = 1000
_MOST_CONTACTS = 257
_MEDIA = ("id", "link", "provider")


def text(body: Json) -> Json:
    """`text: {body, preview_url?}`."""
    found = CHECK.object(body, "text", only=("body", "preview_url"))
    CHECK.text(found, "body", "text", longest=LONGEST_TEXT)
    if not isinstance(found.get("preview_url", False), bool):
        raise CHECK.wrong("text", "preview_url", "must be a boolean")
    return found


def image(body: Json) -> Json:
    """`image: {id | link, caption?}`."""
    return media(body, "image", "caption")


def video(body: Json) -> Json:
    """`video: {id | link, caption?}`."""
    return media(body, "video", "caption")


def audio(body: Json) -> Json:
    """`audio: {id | link, voice?}`."""
    found = media(body, "audio", "voice")
    if not isinstance(found.get("voice", False), bool):
        raise CHECK.wrong("audio", "voice", "must be a boolean")
    return found


def document(body: Json) -> Json:
    """`document: {id | link, caption?, filename?}`."""
    return media(body, "document", "caption", "filename")


def sticker(body: Json) -> Json:
    """`sticker: {id | link}`."""
    return media(body, "sticker")


def media(holder: Json, key: str, *more: str, at: str = "") -> Json:
    """A file, by the id of an upload or by a link, and what may be said beside it."""
    found = CHECK.object(holder, key, at, only=(*_MEDIA, *more))
    place = f"{at}['{key}']" if at else key
    if CHECK.either(found, ("id", "link"), place) == "link":
        CHECK.url(found, "link", place)
    elif not isinstance(found["id"], str | int) or isinstance(found["id"], bool):
        raise CHECK.wrong(place, "id", "must be a media id")
    if "caption" in more:
        CHECK.text(found, "caption", place, longest=LONGEST_CAPTION, required=False)
    if "filename" in more:
        CHECK.text(found, "filename", place, longest=_LONGEST_NAME, required=False)
    return found


def location(body: Json, at: str = "") -> Json:
    """`location: {latitude, longitude, name?, address?}`."""
    found = CHECK.object(body, "location", at, only=("latitude", "longitude", "name", "address"))
    place = f"{at}['location']" if at else "location"
    CHECK.number(found, "latitude", place, least=-90, most=90)
    CHECK.number(found, "longitude", place, least=-180, most=180)
    CHECK.text(found, "name", place, longest=_LONGEST_NAME, required=False)
    CHECK.text(found, "address", place, longest=_LONGEST_NAME, required=False)
    return found


def contacts(body: Json) -> Json:
    """`contacts: [{name: {formatted_name, …}, phones, emails, …}]`."""
    found = CHECK.objects(body, "contacts", most=_MOST_CONTACTS)
    for index, contact in enumerate(found):
        at = f"contacts[{index}]"
        name = CHECK.object(contact, "name", at)
        CHECK.text(name, "formatted_name", f"{at}['name']", longest=_LONGEST_NAME)
        for key in ("phones", "emails", "addresses", "urls"):
            CHECK.objects(contact, key, at, most=100, least=0)
        for key in ("org",):
            CHECK.optional_object(contact, key, at)
    return {"contacts": found}


def reaction(body: Json) -> Json:
    """`reaction: {message_id, emoji}`; an empty emoji takes it back."""
    found = CHECK.object(body, "reaction", only=("message_id", "emoji"))
    CHECK.text(found, "message_id", "reaction", longest=_LONGEST_ID)
    CHECK.text(found, "emoji", "reaction", longest=64, required=False)
    return found

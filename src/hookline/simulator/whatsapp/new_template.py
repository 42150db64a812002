"""The body that creates or edits a message template: what a review could look at, or refused at once. Pure.

Source: protocol reference 7.1; limits and the need for examples are general knowledge of the platform.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from hookline.simulator.errors import Refusal
from hookline.simulator.whatsapp.checks import CHECK, Json
from hookline.simulator.whatsapp.template import LONGEST_BODY, LONGEST_HEADER, VARIABLE

CATEGORIES = ("marketing", "utility", "authentication")
FORMATS = ("text", "image", "video", "document", "location")
BUTTONS = ("quick_reply", "url", "phone_number", "otp", "copy_code", "flow", "catalog", "mpm", "spm", "voice_call")
MOST_BUTTONS = 10
LONGEST_NAME = 512
LONGEST_FOOTER = 60
LONGEST_BUTTON = 25
_NAME = re.compile(r"^[a-z0-9_]{1,512}$")
_LANGUAGE = re.compile(r"^[a-z]{2,3}(_[A-Za-z]{2,4})?$")
_PARTS = ("header", "body", "footer", "buttons", "carousel", "limited_time_offer", "call_permission_request")
_AT = "components"


def read_new(body: Json) -> tuple[str, str]:
    """Check a new template; its name and language.

    Raises: Refusal.
    """
    name = CHECK.text(body, "name", longest=LONGEST_NAME)
    if not _NAME.match(name):
        raise Refusal(100, "Param name must be lowercase letters, digits and underscores.")
    language = CHECK.text(body, "language", longest=16)
    if not _LANGUAGE.match(language):
        raise Refusal(100, "Param language must be a language code.")
    CHECK.choice(body, "category", among=CATEGORIES)
    read_parts(body)
    return name, language


def read_parts(body: Json) -> list[dict[str, Any]]:
    """Check a template's components, which are kept as they were sent.

    Raises: Refusal.
    """
    category = str(body.get("category", "")).upper()
    form = CHECK.choice(body, "parameter_format", among=("positional", "named"), default="positional")
    parts = CHECK.objects(body, _AT, most=10)
    kinds = [CHECK.choice(part, "type", _AT, among=_PARTS) for part in parts]
    CHECK.unique(kinds, "Component types")
    if "body" not in kinds:
        raise CHECK.lacking(_AT, "body")
    for kind, part in zip(kinds, parts, strict=True):
        if kind == "header":
            _header(part, named=form == "named")
        elif kind == "body" and category != "AUTHENTICATION":
            _text(part, "body", LONGEST_BODY, named=form == "named")
        elif kind == "footer" and category != "AUTHENTICATION":
            CHECK.text(part, "text", _AT, longest=LONGEST_FOOTER)
        elif kind == "buttons":
            _buttons(part)
    return [{**part, "type": kind.upper()} for kind, part in zip(kinds, parts, strict=True)]


def _header(part: Json, *, named: bool) -> None:
    if CHECK.choice(part, "format", _AT, among=FORMATS) != "text":
        return
    if len(_text(part, "header", LONGEST_HEADER, named=named)) > 1:
        raise Refusal(100, "A header can have one variable.")


def _text(part: Json, kind: str, longest: int, *, named: bool) -> Sequence[str]:
    """Check a text, and that there is an example for every variable in it; the variables."""
    text = CHECK.text(part, "text", _AT, longest=longest)
    variables = list(dict.fromkeys(VARIABLE.findall(text)))
    if not named and variables != [str(number) for number in range(1, len(variables) + 1)]:
        raise Refusal(100, f"{kind}: the variables must be numbered from 1 without gaps.")
    if named and any(name.isdigit() for name in variables):
        raise Refusal(100, f"{kind}: the variables must have names.")
    if variables and len(_examples(part, kind, named=named)) != len(variables):
        raise Refusal(100, f"{kind}: every variable needs an example.")
    return variables


def _examples(part: Json, kind: str, *, named: bool) -> Sequence[Any]:
    example = part.get("example")
    given = example.get(f"{kind}_text" + ("_named_params" if named else "")) if isinstance(example, dict) else None
    if not isinstance(given, list):
        return ()
    return given[0] if given and isinstance(given[0], list) else given


def _buttons(part: Json) -> None:
    for index, button in enumerate(CHECK.objects(part, "buttons", _AT, most=MOST_BUTTONS)):
        at = f"buttons[{index}]"
        kind = CHECK.choice(button, "type", at, among=BUTTONS)
        CHECK.text(button, "text", at, longest=LONGEST_BUTTON, required=kind not in ("otp", "copy_code"))
        for key in _NEEDED.get(kind, ()):
            CHECK.text(button, key, at, longest=2000)
        if kind == "url" and VARIABLE.search(button["url"]) and not button.get("example"):
            raise Refusal(100, f"{at}: a URL with a variable needs an example.")


# What a button must say beside its text.
_NEEDED: Mapping[str, tuple[str, ...]] = {"url": ("url",), "phone_number": ("phone_number",), "otp": ("otp_type",)}

"""A template that is to be created: what the platform certainly refuses is refused here, with every place. Pure.

Components are the platform's own words, and go there as they are. What only its reviewers can judge is left to them.
Source: protocol reference 7.1. Lengths and the need for examples are general knowledge of the platform.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from hookline.domain.template import InvalidTemplate, NewTemplate
from hookline.providers.meta import lenient

CATEGORIES: Final = ("MARKETING", "UTILITY", "AUTHENTICATION")
FORMATS: Final = ("POSITIONAL", "NAMED")
LONGEST: Final = {"HEADER": 60, "BODY": 1024, "FOOTER": 60}
MOST_BUTTONS: Final = 10
LONGEST_BUTTON: Final = 25
_NAME: Final = re.compile(r"[a-z0-9_]{1,512}")
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}(_[A-Za-z]{2,4})?")
_VARIABLE: Final = re.compile(r"\{\{\s*(\w+)\s*\}\}")

_Complaint = tuple[str, str]


def check(new: NewTemplate) -> None:
    """Check name, language, category, and the components' outline.

    Raises: InvalidTemplate.
    """
    found = [*_head(new), *_components(new)]
    if found:
        raise InvalidTemplate(found)


def _head(new: NewTemplate) -> Iterator[_Complaint]:
    if not _NAME.fullmatch(new.name):
        yield "body.name", "must be 1 to 512 small letters, digits and underscores"
    if not _LANGUAGE.fullmatch(new.language):
        yield "body.language", "must be a language such as en or en_US"
    if new.category not in CATEGORIES:
        yield "body.category", f"must be one of {', '.join(CATEGORIES)}"
    if new.parameter_format not in FORMATS:
        yield "body.parameterFormat", f"must be one of {', '.join(FORMATS)}"


def _components(new: NewTemplate) -> Iterator[_Complaint]:
    kinds: list[str] = []
    for number, part in enumerate(new.components):
        at = f"body.components.{number}"
        if not isinstance(part, dict) or not isinstance(part.get("type"), str):
            yield at, "must be an object with a type"
            continue
        kind = part["type"].upper()
        if kind in kinds:
            yield f"{at}.type", f"the template has a {kind} already"
        kinds.append(kind)
        if kind in LONGEST and new.category != "AUTHENTICATION":
            yield from _text(part, kind, at, named=new.parameter_format == "NAMED")
        elif kind == "BUTTONS":
            yield from _buttons(part, at)
    if "BODY" not in kinds:
        yield "body.components", "must have a BODY"


def _text(part: Mapping[str, Any], kind: str, at: str, *, named: bool) -> Iterator[_Complaint]:
    """Check a text and its variables. A header of another format than TEXT has none."""
    if kind == "HEADER" and lenient.string(part.get("format")).upper() != "TEXT":
        if not lenient.string(part.get("format")):
            yield f"{at}.format", "must be TEXT, IMAGE, VIDEO, DOCUMENT or LOCATION"
        return
    text = part.get("text")
    if not isinstance(text, str) or not 0 < len(text) <= LONGEST[kind]:
        yield f"{at}.text", f"must be a text of 1 to {LONGEST[kind]} characters"
        return
    variables = list(dict.fromkeys(_VARIABLE.findall(text)))
    most = {"HEADER": 1, "FOOTER": 0}.get(kind)
    if most is not None and len(variables) > most:
        yield f"{at}.text", f"may hold {'one variable' if most else 'no variables'}"
    if not named and variables != [str(number + 1) for number in range(len(variables))]:
        yield f"{at}.text", "its variables must be {{1}}, {{2}}, … without gaps; parameterFormat NAMED allows names"
    if named and any(name.isdigit() for name in variables):
        yield f"{at}.text", "its variables must have names, as parameterFormat says"
    if variables and not lenient.mapping(part.get("example")):
        yield f"{at}.example", "must show a value for every variable"


def _buttons(part: Mapping[str, Any], at: str) -> Iterator[_Complaint]:
    buttons = part.get("buttons")
    if not isinstance(buttons, list) or not 0 < len(buttons) <= MOST_BUTTONS:
        yield f"{at}.buttons", f"must be a list of 1 to {MOST_BUTTONS} buttons"
        return
    for number, button in enumerate(buttons):
        place = f"{at}.buttons.{number}"
        if not isinstance(button, dict) or not isinstance(button.get("type"), str):
            yield place, "must be an object with a type"
        elif len(lenient.string(button.get("text"))) > LONGEST_BUTTON:
            yield f"{place}.text", f"must be at most {LONGEST_BUTTON} characters"

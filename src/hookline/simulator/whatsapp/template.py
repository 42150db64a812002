"""Whether a send fits the stored template that it names. Pure.

Source: protocol reference 6.2 (132000, 132001, 132005, 132012, 132015, 132016, 132018), 7.1.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from hookline.simulator.errors import Refusal
from hookline.simulator.records import Template
from hookline.simulator.whatsapp import content
from hookline.simulator.whatsapp.checks import CHECK, Json

LONGEST_BODY = 1024
LONGEST_HEADER = 60
SENDABLE = frozenset({"APPROVED", "FLAGGED", "REINSTATED"})
VARIABLE = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_MEDIA_FORMATS = frozenset({"IMAGE", "VIDEO", "DOCUMENT"})
_ANY = frozenset({"text", "payload"})
# What a button's parameter may be, by the button's type in the template. Others take none.
_BUTTON_PARAMETERS: Mapping[str, frozenset[str]] = {
    "URL": _ANY,
    "OTP": _ANY,
    "QUICK_REPLY": _ANY,
    "COPY_CODE": frozenset({"coupon_code"}),
    "FLOW": frozenset({"action"}),
    "CATALOG": frozenset({"action"}),
    "MPM": frozenset({"action"}),
    "SPM": frozenset({"action"}),
}


def check_sendable(template: Template | None, name: str, language: str) -> Template:
    """Refuse a template that is not there, not approved, paused or disabled."""
    if template is None or template.status not in SENDABLE | {"PAUSED", "DISABLED"}:
        raise Refusal(132001, f"template name ({name}) does not exist in {language}")
    if template.status == "PAUSED":
        raise Refusal(132015, f"template name ({name}) is paused because of its quality")
    if template.status == "DISABLED":
        raise Refusal(132016, f"template name ({name}) is disabled")
    return template


def check_components(template: Template, sent: Sequence[Json]) -> None:
    """Check the components of a send against those of the template.

    Raises: Refusal, naming the component.
    """
    named = template.parameter_format == "NAMED"
    _check_parts(template.components, sent, named=named, authentication=template.category == "AUTHENTICATION")


def _check_parts(stored: Sequence[Json], sent: Sequence[Json], *, named: bool, authentication: bool) -> None:
    """Check one set of components: the template's own, or those of a card."""
    made = {str(part["type"]).upper(): part for part in stored}
    given = _by_place(sent)
    _header(made.get("HEADER"), given.pop(("header", 0), None), named=named)
    _body(made.get("BODY"), given.pop(("body", 0), None), named=named, authentication=authentication)
    _buttons(made.get("BUTTONS", {}).get("buttons", ()), given)
    _cards(made.get("CAROUSEL"), given.pop(("carousel", 0), None), named=named)
    given.pop(("limited_time_offer", 0), None)
    for kind, index in given:
        raise Refusal(132018, f"{kind}: the template has no such component at index {index}")


def _by_place(sent: Sequence[Json]) -> dict[tuple[str, int], Json]:
    """Sort what was sent by component, buttons by their index."""
    found: dict[tuple[str, int], Json] = {}
    for part in sent:
        among = ("header", "body", "button", "carousel", "limited_time_offer")
        kind = CHECK.choice(part, "type", "template['components']", among=among)
        index = 0
        if kind == "button":
            index = int(CHECK.number(part, "index", "template['components']", least=0, most=9))
        if (kind, index) in found:
            raise Refusal(132018, f"{kind}: given twice")
        found[kind, index] = part
    return found


def _parameters(part: Json | None, kind: str) -> Sequence[Json]:
    return () if part is None else CHECK.objects(part, "parameters", kind, most=50, least=0)


def _header(stored: Json | None, sent: Json | None, *, named: bool) -> None:
    parameters = _parameters(sent, "header")
    form = "" if stored is None else str(stored.get("format", "TEXT")).upper()
    if form == "LOCATION":
        _one_of(parameters, form)
        content.location(parameters[0], "header")
    elif form == "PRODUCT":
        _one_of(parameters, form)
        product = CHECK.object(parameters[0], "product", "header")
        for key in ("product_retailer_id", "catalog_id"):
            CHECK.text(product, key, "header['product']", longest=256)
    elif form in _MEDIA_FORMATS:
        _one_of(parameters, form)
        more = ("filename",) if form == "DOCUMENT" else ()
        content.media(parameters[0], form.lower(), *more, at="header")
    else:
        text = "" if stored is None else str(stored.get("text", ""))
        _check_text(text, parameters, "header", LONGEST_HEADER, named=named)


def _one_of(parameters: Sequence[Json], form: str) -> None:
    """A header of media or a place takes exactly one parameter, of its own kind."""
    received = str(parameters[0].get("type", "UNKNOWN")).upper() if parameters else "UNKNOWN"
    if received != form:
        raise Refusal(132012, f"header: Format mismatch, expected {form}, received {received}")
    if len(parameters) != 1:
        raise _count("header", len(parameters), 1)


def _body(stored: Json | None, sent: Json | None, *, named: bool, authentication: bool) -> None:
    # An authentication template's text is the platform's own, and holds the code.
    text = "{{1}}" if authentication else str((stored or {}).get("text", ""))
    _check_text(text, _parameters(sent, "body"), "body", LONGEST_BODY, named=named)


@lru_cache(maxsize=4096)
def _places(text: str) -> tuple[str, ...]:
    """The variables of a text, each once."""
    return tuple(dict.fromkeys(VARIABLE.findall(text)))


def fill(text: str, parameters: Sequence[Json]) -> str:
    """Put parameters that have been taken into a text: by name, where they have names; otherwise one after another."""
    pairs = zip(_places(text), parameters, strict=False)
    values = {str(parameter.get("parameter_name", place)): _shown(parameter) for place, parameter in pairs}
    return VARIABLE.sub(lambda match: values.get(match[1], match[0]), text)


def _shown(parameter: Json) -> str:
    value = parameter.get(str(parameter.get("type", "text")), "")
    return str(value.get("fallback_value", "") if isinstance(value, dict) else value)


def _check_text(text: str, parameters: Sequence[Json], kind: str, longest: int, *, named: bool) -> None:
    """See that parameters fit a text: as many as it has variables, of their names, texts, and not too long."""
    places = _places(text)
    if len(places) != len(parameters):
        raise _count(kind, len(parameters), len(places))
    names = [_name(one, kind) for one in parameters] if named else places
    if named and set(names) != set(places):
        raise Refusal(132018, f"{kind}: the parameter names are not those of the template")
    values = {name: _text(one, kind) for name, one in zip(names, parameters, strict=True)}
    if len(text) + sum(map(len, values.values())) <= longest:
        return
    if len(VARIABLE.sub(lambda match: values[match[1]], text)) > longest:
        raise Refusal(132005, f"{kind}: the text is longer than {longest} characters")


def _count(kind: str, sent: int, stored: int) -> Refusal:
    return Refusal(
        132000,
        f"{kind}: number of localizable_params ({sent}) does not match the expected number of params ({stored})",
    )


def _name(parameter: Json, kind: str) -> str:
    name = parameter.get("parameter_name")
    if not isinstance(name, str) or not name:
        raise Refusal(132012, f"{kind}: Parameter name is missing or empty")
    return name


def _text(parameter: Json, kind: str) -> str:
    """Read a parameter's text. The platform takes a number or a boolean as text, too."""
    form = parameter.get("type", "text")
    if form == "text":
        value = parameter.get("text")
        if isinstance(value, str | int | float) and value != "":
            return str(value)
        raise Refusal(132012, f"{kind}: a text parameter must have a text that is not empty")
    if form in ("currency", "date_time"):
        value = CHECK.object(parameter, form, kind)
        if form == "currency":
            CHECK.text(value, "code", f"{kind}['currency']", longest=3)
            CHECK.number(value, "amount_1000", f"{kind}['currency']", least=-1e15, most=1e15)
        return CHECK.text(value, "fallback_value", f"{kind}['{form}']", longest=LONGEST_BODY)
    raise Refusal(132012, f"{kind}: Format mismatch, expected TEXT, received {str(form).upper()[:40]}")


def _buttons(stored: Sequence[Json], given: dict[tuple[str, int], Json]) -> None:
    for index, button in enumerate(stored):
        kind = str(button.get("type", "")).upper()
        sent = given.pop(("button", index), None)
        parameters = _parameters(sent, "button")
        if not parameters:
            if _needs_parameter(button, kind):
                raise Refusal(131008, f"buttons: Button at index {index} of type {kind.title()} requires a parameter")
            continue
        for parameter in parameters:
            form = str(parameter.get("type", "")).lower()
            if form not in _BUTTON_PARAMETERS.get(kind, ()):
                raise Refusal(132018, f"buttons: Button at index {index} of type {kind.title()} takes no {form}")
            if parameter.get(form) in (None, ""):
                raise Refusal(131008, f"buttons: the {form} of the button at index {index} is required")


def _needs_parameter(button: Json, kind: str) -> bool:
    return kind in ("OTP", "COPY_CODE", "MPM") or (kind == "URL" and bool(VARIABLE.search(str(button.get("url", "")))))


def _cards(stored: Json | None, sent: Json | None, *, named: bool) -> None:
    if stored is None:
        if sent is not None:
            raise Refusal(132018, "carousel: the template has no such component")
        return
    made = stored.get("cards", ())
    given = CHECK.objects(sent or {}, "cards", "carousel", most=10, least=0)
    if len(given) != len(made):
        raise _count("carousel", len(given), len(made))
    for index, (card, filled) in enumerate(zip(made, given, strict=True)):
        if filled.get("card_index", index) != index:
            raise CHECK.wrong("carousel['cards']", "card_index", f"must be {index}")
        parts = CHECK.objects(filled, "components", "carousel['cards']", most=20, least=0)
        _check_parts(card.get("components", ()), parts, named=named, authentication=False)

"""Whether a filled-in template fits the one that the platform has: status first, then component by component. Pure.

What is not known here is left to the platform: a status, a header's format or a kind of button without a rule passes.
Source: protocol reference 2.4 (statuses), 6.2 (132000, 132012, 132015, 132016, 132018), 7.1.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from hookline.domain.outbound_template import Component, Parameter, Template, TemplateCard
from hookline.domain.template import DELETED, Definition, Difference, Misfit, MisfitReason
from hookline.providers.meta import lenient

_VARIABLE: Final = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_TEXTS: Final = ("text", "currency", "date_time")

# Statuses in which nothing is sent, and what to do about it.
_CLOSED: Final[Mapping[str, str]] = {
    "PENDING": "is still being reviewed; wait for its approval",
    "IN_APPEAL": "was rejected, and that is being appealed; wait for the decision",
    "REJECTED": "was rejected; change it and have it reviewed again",
    "PAUSED": "is paused because people complained; wait until the platform reinstates it",
    "DISABLED": "is disabled; use another one",
    "ARCHIVED": "is archived; use another one",
    DELETED: "was deleted; create it again, or use another one",
}
# Header's format → the one parameter that it takes.
_HEADERS: Final[Mapping[str, str]] = {
    "IMAGE": "image",
    "VIDEO": "video",
    "DOCUMENT": "document",
    "LOCATION": "location",
    "PRODUCT": "product",
}


class _Rule:
    """What a button of one kind takes: by which sub types it may be named, which parameters, how many."""

    def __init__(self, sub_types: Sequence[str], parameters: Sequence[str] = (), least: int = 0) -> None:
        self.sub_types = sub_types
        self.parameters = parameters
        self.least = least


# A button with a one-time password is called a URL when it is sent. `text` and `payload` both serve for a URL's end.
_BUTTONS: Final[Mapping[str, _Rule]] = {
    "URL": _Rule(("url",), ("text", "payload"), least=1),
    "OTP": _Rule(("url", "copy_code"), ("text", "payload", "coupon_code"), least=1),
    "COPY_CODE": _Rule(("copy_code",), ("coupon_code",), least=1),
    "QUICK_REPLY": _Rule(("quick_reply",), ("payload", "text")),
    "FLOW": _Rule(("flow",), ("action",)),
    "CATALOG": _Rule(("catalog",), ("action",)),
    "MPM": _Rule(("mpm",), ("action",), least=1),
    "SPM": _Rule(("spm",), ("action",)),
    "VOICE_CALL": _Rule(("voice_call",), ("payload", "text")),
    "PHONE_NUMBER": _Rule(()),
}


def misfit(filled: Template, known: Definition) -> Misfit | None:
    """Say why the platform would refuse it; None if nothing speaks against it."""
    named = f"the template {filled.name} ({filled.language})"
    status = (known.status or "").upper()
    if status in _CLOSED:
        text = f"{named} {_CLOSED[status]}"
        return Misfit(reason=MisfitReason.STATUS, status=status, text=text)
    if known.components is None:
        return None
    found = list(_Comparison(known).parts(known.components, filled.components))
    if not found:
        return None
    text = f"{named} does not fit: {'; '.join(map(str, found))}"
    return Misfit(reason=MisfitReason.MISMATCH, status=known.status, text=text, differences=found)


class _Comparison:
    """Compares with one template; `card` while it is at one of the carousel's."""

    def __init__(self, known: Definition, card: int | None = None) -> None:
        self._known = known
        self._named = (known.parameter_format or "").upper() == "NAMED"
        self._authentication = (known.category or "").upper() == "AUTHENTICATION"
        self._card = card

    def parts(self, stored: Sequence[Any], sent: Sequence[Component]) -> Iterator[Difference]:
        """Compare one set of components: the template's, or a card's."""
        made = {lenient.string(part.get("type")).upper(): part for part in map(lenient.mapping, stored)}
        given: dict[tuple[str, int | None], Component] = {}
        for part in sent:
            if (part.type, part.index) in given:
                yield self._differs(part.type, "to be given once", "it twice", part.index)
            given[part.type, part.index] = part
        yield from self._header(made.get("HEADER"), given.pop(("header", None), None))
        yield from self._body(made.get("BODY"), given.pop(("body", None), None))
        yield from self._buttons(lenient.sequence(made.get("BUTTONS", {}).get("buttons")), given)
        yield from self._cards(made.get("CAROUSEL"), given.pop(("carousel", None), None))
        offer = given.pop(("limited_time_offer", None), None)
        if offer is not None and "LIMITED_TIME_OFFER" not in made:
            yield self._differs("limited_time_offer", "none, as the template has no offer", "one")

    def _header(self, stored: Mapping[str, Any] | None, sent: Component | None) -> Iterator[Difference]:
        parameters = () if sent is None else sent.parameters
        form = lenient.string(stored.get("format")).upper() or "TEXT" if stored is not None else "TEXT"
        if form == "TEXT":
            text = "" if stored is None else lenient.string(stored.get("text"))
            yield from self._text("header", text, parameters)
        elif form in _HEADERS and [_kind(one) for one in parameters] != [_HEADERS[form]]:
            yield self._differs("header", f"one parameter of type {_HEADERS[form]}", _listed(parameters))

    def _body(self, stored: Mapping[str, Any] | None, sent: Component | None) -> Iterator[Difference]:
        """Compare the body. An authentication template's text is the platform's own, and holds the code."""
        text = "" if stored is None else lenient.string(stored.get("text"))
        if self._authentication and not _VARIABLE.search(text):
            text = "{{1}}"
        yield from self._text("body", text, () if sent is None else sent.parameters)

    def _text(self, component: str, text: str, parameters: Sequence[Parameter]) -> Iterator[Difference]:
        """Compare with a text: as many parameters as it has variables, of their names, that can be shown in it."""
        places = list(dict.fromkeys(_VARIABLE.findall(text)))
        names = [one.parameter_name or "" for one in parameters]
        if self._named and sorted(names) != sorted(places):
            expected = f"{_count(len(places))} named {', '.join(places)}" if places else "no parameters"
            received = ", ".join(name or "one without a name" for name in names) or "none"
            yield self._differs(component, expected, received)
        elif len(places) != len(parameters):
            yield self._differs(component, _count(len(places)), str(len(parameters)))
        elif any(_kind(one) not in _TEXTS for one in parameters):
            yield self._differs(component, f"parameters of type {' or '.join(_TEXTS)}", _listed(parameters))

    def _buttons(self, stored: Sequence[Any], given: dict[tuple[str, int | None], Component]) -> Iterator[Difference]:
        for index, button in enumerate(map(lenient.mapping, stored)):
            yield from self._button(button, index, given.pop(("button", index), None))
        for component, number in [key for key in given if key[0] == "button"]:
            yield self._differs(component, f"no button here: the template has {len(stored)}", "one", number)

    def _button(self, stored: Mapping[str, Any], index: int, sent: Component | None) -> Iterator[Difference]:
        kind = lenient.string(stored.get("type")).upper()
        rule = _BUTTONS.get(kind)
        if rule is None:
            return
        parameters = () if sent is None else sent.parameters
        least = rule.least
        allowed = rule.parameters
        if kind == "URL" and not _VARIABLE.search(lenient.string(stored.get("url"))):
            least, allowed = 0, ()
        if sent is not None and parameters and rule.sub_types and sent.sub_type not in rule.sub_types:
            yield self._differs("button", f"subType {' or '.join(rule.sub_types)}", str(sent.sub_type), index)
        elif len(parameters) < least:
            yield self._differs("button", f"a parameter of type {' or '.join(allowed)}", "none", index)
        elif len(parameters) > bool(allowed) or any(_kind(one) not in allowed for one in parameters):
            expected = f"one parameter of type {' or '.join(allowed)}" if allowed else "no parameters"
            yield self._differs("button", expected, _listed(parameters), index)

    def _cards(self, stored: Mapping[str, Any] | None, sent: Component | None) -> Iterator[Difference]:
        made = [] if stored is None else lenient.sequence(stored.get("cards"))
        given: Sequence[TemplateCard] = () if sent is None else sent.cards
        if len(made) != len(given) or sorted(one.card_index for one in given) != list(range(len(made))):
            yield self._differs("carousel", f"{len(made)} cards, numbered from 0", str(len(given)))
            return
        for card in given:
            parts = lenient.sequence(lenient.mapping(made[card.card_index]).get("components"))
            yield from _Comparison(self._known, card.card_index).parts(parts, card.components)

    def _differs(self, component: str, expected: str, received: str, index: int | None = None) -> Difference:
        return Difference(component=component, expected=expected, received=received, index=index, card=self._card)


def _kind(parameter: Parameter) -> str:
    return str(parameter.__struct_config__.tag)


def _listed(parameters: Sequence[Parameter]) -> str:
    return ", ".join(map(_kind, parameters)) or "none"


def _count(number: int) -> str:
    return "no parameters" if number == 0 else "1 parameter" if number == 1 else f"{number} parameters"

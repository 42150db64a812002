"""A template in WhatsApp's words: `{name, language: {code}, components?: […]}`. Source: protocol reference 7.1."""

from typing import Any

import msgspec

from hookline.domain.outbound_media import File
from hookline.domain.outbound_template import (
    ActionParameter,
    Component,
    CurrencyParameter,
    DateTimeParameter,
    Marketing,
    Parameter,
    Template,
)
from hookline.providers.whatsapp.files import file


def build(template: Template | None) -> dict[str, Any]:
    """Write a template with what fills it in."""
    if template is None:
        return {}
    built: dict[str, Any] = {"name": template.name, "language": {"code": template.language}}
    if template.components:
        built["components"] = [_component(one) for one in template.components]
    return built


def marketing(given: Marketing) -> dict[str, Any]:
    """Write what the marketing interface takes beside the template."""
    built: dict[str, Any] = {}
    if given.product_policy is not None:
        built["product_policy"] = given.product_policy
    if given.message_activity_sharing is not None:
        built["message_activity_sharing"] = given.message_activity_sharing
    return built


def _component(component: Component) -> dict[str, Any]:
    built: dict[str, Any] = {"type": component.type}
    if component.sub_type is not None:
        built |= {"sub_type": component.sub_type, "index": component.index}
    if component.parameters:
        built["parameters"] = [_parameter(one) for one in component.parameters]
    if component.cards:
        built["cards"] = [
            {"card_index": one.card_index, "components": [_component(part) for part in one.components]}
            for one in component.cards
        ]
    return built


def _parameter(parameter: Parameter) -> dict[str, Any]:
    kind = str(parameter.__struct_config__.tag)
    built: dict[str, Any] = {"type": kind, kind: _value(kind, parameter)}
    if parameter.parameter_name is not None:
        built["parameter_name"] = parameter.parameter_name
    return built


def _value(kind: str, parameter: Parameter) -> Any:
    """What stands under the parameter's own name."""
    match parameter:
        case ActionParameter():
            return parameter.action
        case CurrencyParameter() | DateTimeParameter():
            return _snake_case(getattr(parameter, kind))
    value = getattr(parameter, kind)
    if isinstance(value, File):
        return file(value)
    return value if isinstance(value, str) else _snake_case(value)


def _snake_case(value: msgspec.Struct) -> dict[str, Any]:
    """Write a struct under the names of its fields, which are the vendor's; what is empty is left out."""
    return {name: member for name, member in msgspec.structs.asdict(value).items() if member is not None}

"""The shared samples of templates: what the vendor's own document creates passes, and what it lists takes values."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hookline.domain.outbound_template import Template
from hookline.domain.template import Definition, InvalidTemplate, MisfitReason, NewTemplate
from hookline.providers.whatsapp import new_template, template_fit

FOLDER = Path(__file__).resolve().parents[2].parent / "shared" / "payloads" / "facebook__openapi" / "api"
ABSENT = pytest.param(None, marks=pytest.mark.skip(reason="the shared payload samples are not here"))
PLACEHOLDER = "<TEMPLATE_NAME>"


def samples(pattern: str) -> list[Any]:
    found = sorted(FOLDER.glob(pattern))
    return [pytest.param(path, id=path.stem) for path in found] or [ABSENT]


@pytest.mark.parametrize("path", samples("POSTVersion_WABA_ID_message_templates/request_*.json"))
def test_what_the_vendor_creates_may_be_created(path: Path) -> None:
    """Every example of a request to create a template passes; of a name that stands for one, only the name is named."""
    body = json.loads(path.read_text())
    fields = {one.name: body[one.name] for one in msgspec.structs.fields(NewTemplate) if one.name in body}
    new = NewTemplate(**fields)
    if body["name"] == PLACEHOLDER:
        with pytest.raises(InvalidTemplate) as caught:
            new_template.check(new)
        assert [error["location"] for error in caught.value.errors] == ["body.name"]
    else:
        new_template.check(new)


@pytest.mark.parametrize("path", samples("GETVersion_WABA_ID_message_templates/response200_*.json"))
def test_what_the_vendor_lists_takes_its_own_examples(path: Path) -> None:
    """Filled in with the values that it shows itself, each template fits; with one more, or none, it does not."""
    for element in json.loads(path.read_text())["data"]:
        names = ("name", "language", "status", "category", "components")
        known = Definition(**{name: element[name] for name in names})
        body = next(part for part in element["components"] if part["type"] == "BODY")
        values = body.get("example", {}).get("body_text", [[]])[0]
        assert template_fit.misfit(filled(known, values), known) is None
        for wrong in ([*values, "more"], values[1:] if values else ["more"]):
            misfit = template_fit.misfit(filled(known, wrong), known)
            assert misfit is not None
            assert misfit.reason is MisfitReason.MISMATCH


def filled(known: Definition, values: list[str]) -> Template:
    parameters = [{"type": "text", "text": value} for value in values]
    components = [{"type": "body", "parameters": parameters}] if values else []
    return msgspec.convert({"name": known.name, "language": known.language, "components": components}, Template)

"""WhatsApp's message templates: its rules for them, and those of a WABA over the network.

Their key is name and language. Source: protocol reference 2.4, 6.2, 7.1.
"""

from collections.abc import Mapping
from typing import Any, Final

from hookline.domain.outbound_template import Template
from hookline.domain.provider_error import OutcomeUnknown, ProviderError
from hookline.domain.template import Definition, Misfit, NewTemplate
from hookline.providers.accounts import AccountRef
from hookline.providers.http import HttpClient
from hookline.providers.meta import lenient
from hookline.providers.meta.graph import Graph, node, open_graph
from hookline.providers.whatsapp import new_template, template_fit
from hookline.providers.whatsapp.template_notices import key_of

_FIELDS: Final = "name,status,category,language,components,id,quality_score,parameter_format,rejected_reason"
_PAGE_SIZE: Final = "250"
_MAX_PAGES: Final = 100
# A cursor that the platform no longer knows: the list is read again from its beginning.
_BAD_CURSOR: Final = "131059"
_MAX_READINGS: Final = 3
# What a refused send says of the template.
_STATUS_AFTER: Final = {"132015": "PAUSED", "132016": "DISABLED"}


class WhatsAppTemplates:
    """WhatsApp's templates as `Templates`. What its methods do is described there."""

    def check_new(self, new: NewTemplate) -> None:
        """Refuse what the platform certainly does not take."""
        new_template.check(new)

    def misfit(self, filled: Template, known: Definition) -> Misfit | None:
        """Say why the platform would refuse a filled-in template."""
        return template_fit.misfit(filled, known)

    def status_after(self, code: str | None) -> str | None:
        """Say which status a refused send reveals."""
        return _STATUS_AFTER.get((code or "").split("/")[0])

    def client(self, http: HttpClient, settings: Mapping[str, str]) -> "WabaTemplates":
        """Make the client."""
        return WabaTemplates(open_graph(http, settings))


class WabaTemplates:
    """A WABA's templates as a `TemplatesClient`."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    async def list_all(self, account: AccountRef, token: str) -> list[Definition]:
        """List all templates; from the beginning again where a cursor has become bad."""
        path = _path(account)
        for _ in range(_MAX_READINGS - 1):
            try:
                return await self._read(path, token)
            except ProviderError as error:
                if (error.code or "").split("/")[0] != _BAD_CURSOR:
                    raise
        return await self._read(path, token)

    async def create(self, account: AccountRef, token: str, new: NewTemplate) -> Definition:
        """Create a template. `{id, status, category}` is answered."""
        body: dict[str, Any] = {
            "name": new.name,
            "language": new.language,
            "category": new.category,
            "parameter_format": new.parameter_format,
            "components": new.components,
        }
        if new.allow_category_change is not None:
            body["allow_category_change"] = new.allow_category_change
        answer = await self._graph.call("POST", _path(account), token=token, json=body)
        return Definition(
            name=new.name,
            language=new.language,
            external_id=lenient.identifier(answer.get("id")),
            category=lenient.optional_string(answer.get("category")) or new.category,
            status=lenient.optional_string(answer.get("status")) or "PENDING",
            components=new.components,
            parameter_format=new.parameter_format,
        )

    async def delete(self, account: AccountRef, token: str, name: str, external_id: str | None) -> None:
        """Delete by name, and by id where one language is meant."""
        asked = {"name": name} | ({} if external_id is None else {"hsm_id": external_id})
        await self._graph.call("DELETE", _path(account), token=token, params=asked)

    async def _read(self, path: str, token: str) -> list[Definition]:
        """Read every page: `{"data": […], "paging": {"cursors": {"after"}, "next"?}}`."""
        found: dict[tuple[str, str], Definition] = {}
        asked = {"fields": _FIELDS, "limit": _PAGE_SIZE}
        for _ in range(_MAX_PAGES):
            answer = await self._graph.call("GET", path, token=token, params=asked)
            for element in map(lenient.mapping, lenient.sequence(answer.get("data"))):
                one = _definition(element)
                if one is not None:
                    found[one.name, one.language] = one
            paging = lenient.mapping(answer.get("paging"))
            after = lenient.string(lenient.mapping(paging.get("cursors")).get("after"))
            if not lenient.string(paging.get("next")) or not after:
                return list(found.values())
            asked["after"] = after
        raise OutcomeUnknown(f"a list of templates that has more than {_MAX_PAGES} pages")


def _definition(element: Mapping[str, Any]) -> Definition | None:
    name, language = key_of(element.get("name"), element.get("language"))
    if name is None or language is None:
        return None
    components = element.get("components")
    quality, reason = element.get("quality_score"), lenient.optional_string(element.get("rejected_reason"))
    return Definition(
        name=name,
        language=language,
        external_id=lenient.identifier(element.get("id")),
        category=lenient.optional_string(element.get("category")),
        status=lenient.optional_string(element.get("status")),
        components=components if isinstance(components, list) else None,
        parameter_format=lenient.optional_string(element.get("parameter_format")),
        quality=lenient.optional_string(lenient.mapping(quality).get("score") if quality else None),
        rejected_reason=None if reason == "NONE" else reason,
    )


def _path(account: AccountRef) -> str:
    return f"{node(str(account.metadata.get('wabaId') or ''))}/message_templates"

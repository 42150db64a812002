"""The templates' side of a provider that has them: what fits a template, and its client over the network."""

from collections.abc import Mapping
from typing import Protocol

from hookline.domain.outbound_template import Template
from hookline.domain.template import Definition, Misfit, NewTemplate
from hookline.providers.accounts import AccountRef
from hookline.providers.http import HttpClient


class TemplatesClient(Protocol):
    """An account's templates at its platform. Everything raises ProviderError, NotReached or OutcomeUnknown."""

    async def list_all(self, account: AccountRef, token: str) -> list[Definition]:
        """List all templates: every page, or it raises. Each name and language once."""
        ...

    async def create(self, account: AccountRef, token: str, new: NewTemplate) -> Definition:
        """Create a template; as a rule it is to be reviewed before it can be sent."""
        ...

    async def delete(self, account: AccountRef, token: str, name: str, external_id: str | None) -> None:
        """Delete a template in all its languages, or in the one that `external_id` names."""
        ...


class Templates(Protocol):
    """What a platform with templates says of them. Everything here is pure, but the client that `client` makes."""

    def check_new(self, new: NewTemplate) -> None:
        """Refuse what the platform certainly does not take. Raises: InvalidTemplate."""
        ...

    def misfit(self, filled: Template, known: Definition) -> Misfit | None:
        """Say why the platform would refuse a filled-in template; None if it takes it, as far as is known."""
        ...

    def status_after(self, code: str | None) -> str | None:
        """Say which status of the template a refused send reveals; None if it says nothing of the template."""
        ...

    def client(self, http: HttpClient, settings: Mapping[str, str]) -> TemplatesClient:
        """Make the client. settings: what the providers' folders declare, by name."""
        ...

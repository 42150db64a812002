"""A message of ours checked and built for a platform, for the tests of the builders."""

from typing import Any
from uuid import UUID

from hookline.domain.account import IntegrationProvider
from hookline.domain.capability import check
from hookline.domain.outbound import OutboundMessage, read_message
from hookline.domain.sending import Call, SendingAccount
from hookline.providers import PROVIDERS

ACCOUNT = UUID("0198c0de-0000-7000-8000-000000000001")
MESSAGE = UUID("0198c0de-0000-7000-8000-000000000003")


def account(provider: IntegrationProvider, external_id: str = "own", **metadata: Any) -> SendingAccount:
    """An account of a platform."""
    return SendingAccount(
        id=ACCOUNT,
        organization_id="org-1",
        provider=provider,
        external_account_id=external_id,
        metadata=metadata,
    )


def message(to: str = "+16505551234", **content: Any) -> OutboundMessage:
    """A message of ours."""
    return read_message({"accountId": str(ACCOUNT), "to": to, **content})


def build(provider: IntegrationProvider, said: OutboundMessage, **metadata: Any) -> Call:
    """Check a message as a request to send is checked, and build it."""
    sender = PROVIDERS[provider].sender
    check(said, sender.capabilities, provider)
    sender.check(said)
    return sender.build(said, account(provider, **metadata), MESSAGE)

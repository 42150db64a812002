"""The shapes of services/shapes.py as models, for the OpenAPI document only: nothing is validated against them.

A test holds both together.
"""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, RootModel
from pydantic.alias_generators import to_camel

from hookline.domain.account import ConnectedAccountStatus, IntegrationProvider
from hookline.domain.event import Origin, Outcome, Signature, WebhookEventStatus
from hookline.domain.health import Severity
from hookline.domain.job import IntegrationJobStatus
from hookline.domain.message import MessageDirection, MessageStatus, MessageType
from hookline.domain.provider_error import ErrorClass
from hookline.domain.stored_media import MediaState
from hookline.store.attempts import AttemptOutcome


class Shape(BaseModel):
    """A record in camelCase."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class OAuthTokenInfo(Shape):
    """What is known of a token; never the token."""

    id: UUID
    connected_account_id: UUID
    scopes: list[str]
    expires_at: datetime | None = Field(description="Null: it does not expire, or nobody knows when.")
    data_access_expires_at: datetime | None = Field(description="When the person must have logged in again.")
    created_at: datetime
    updated_at: datetime


class ConnectedAccount(Shape):
    """One authorized number, page or Instagram account of one organization."""

    id: UUID
    organization_id: str
    provider: IntegrationProvider
    external_account_id: str = Field(description="The platform's id: phone number id, page id, Instagram account id.")
    display_name: str | None
    status: ConnectedAccountStatus
    created_at: datetime
    updated_at: datetime
    oauth_tokens: list[OAuthTokenInfo]
    metadata: dict[str, Any] = Field(description="What is known beyond these fields, such as `wabaId`.")
    last_error: str | None
    last_webhook_at: datetime | None


class Begun(Shape):
    """A connection that was begun: send the browser to the address."""

    authorization_url: str
    state: str
    expires_at: datetime


class OfferedAccount(Shape):
    """An account that a consent reaches, as the platform describes it."""

    external_account_id: str
    display_name: str | None
    needs_pin: bool = Field(description="Connecting registers it, which sets a PIN or asks for its own.")
    metadata: dict[str, Any]


class Offer(Shape):
    """Accounts to choose from."""

    state: str = Field(description="Names this choice.")
    expires_at: datetime
    accounts: list[OfferedAccount]


class RefusedAccount(Shape):
    """An account that could not be connected, and why."""

    external_account_id: str
    type: str = Field(description="As in a problem.")
    detail: str


class Chosen(Shape):
    """What became of the accounts that were chosen."""

    accounts: list[ConnectedAccount]
    refused: list[RefusedAccount]


class DisconnectedAccount(Shape):
    """What is left to say of an account that was disconnected."""

    id: UUID
    status: Literal[ConnectedAccountStatus.DISCONNECTED]
    updated_at: datetime


class Finding(Shape):
    """One thing that was looked at."""

    name: str = Field(description="Stable: `token`, `permissions`, `subscription`, `callback-app`, …")
    severity: Severity
    found: str = Field(description="What was seen, for people.")
    mend: str | None = Field(description="What to do about it; null where nothing need be done.")


class AccountHealth(Shape):
    """What was found of an account. `status` is the worst of it."""

    account_id: UUID
    status: Severity
    checked_at: datetime
    findings: list[Finding]


class Message(Shape):
    """A message of the log, in or out."""

    id: UUID
    organization_id: str
    connected_account_id: UUID
    provider: IntegrationProvider
    direction: MessageDirection
    type: MessageType
    origin: Origin
    external_id: str | None = Field(description="The platform's id of the message.")
    contact: str | None = Field(description="The person on the other side, by the platform's id.")
    contact_name: str | None = Field(
        description="As the person is known now, in the feed then; null in the answer to a send."
    )
    from_: str = Field(alias="from")
    to: str
    text: str
    status: MessageStatus
    sent_at: datetime | None = Field(description="By the platform's clock.")
    delivered_at: datetime | None
    read_at: datetime | None
    failed_at: datetime | None
    edited_at: datetime | None
    unsent_at: datetime | None
    error_code: str | None
    error_text: str | None
    reply_to: str | None = Field(description="The platform's id of the message that this one answers.")
    media: list[dict[str, Any]] = Field(
        description="Its files: what the platform says of them, and what is known here (see Media)."
    )
    reactions: list[dict[str, Any]]
    meta_json: dict[str, Any] | None = Field(description="What the platform says beyond these fields.")
    webhook_event_id: UUID | None
    created_at: datetime


class MessagePage(Shape):
    """Messages, newest first."""

    items: list[Message]
    next_cursor: str | None


class Contact(Shape):
    """A person, to one connected account."""

    id: UUID
    organization_id: str
    connected_account_id: UUID
    provider: IntegrationProvider
    external_id: str = Field(description="The platform's id by which the person is written to.")
    display_name: str | None = Field(description="`savedName`, else `name`.")
    name: str | None = Field(description="The person's own.")
    saved_name: str | None = Field(description="The one in the business's address book.")
    username: str | None
    picture_url: str | None = Field(description="The platform's; it expires.")
    phone: str | None
    user_id: str | None = Field(description="WhatsApp's business-scoped user id.")
    parent_user_id: str | None
    marketing_opted_out_at: datetime | None
    profile_status: Literal["FETCHED", "REFUSED"] | None = Field(
        description="What came of asking the platform who this is, where webhooks do not say."
    )
    profile_error: str | None
    profile_at: datetime | None
    created_at: datetime
    updated_at: datetime


class ContactPage(Shape):
    """Contacts, the newest first."""

    items: list[Contact]
    next_cursor: str | None


class Attempt(Shape):
    """One try to send a message."""

    id: UUID
    job_id: UUID
    started_at: datetime
    ended_at: datetime | None
    calls: int = Field(description="Several, where the platform said that nothing was done.")
    outcome: AttemptOutcome | None
    external_id: str | None
    error_class: ErrorClass | None
    error_code: str | None = Field(description="The vendor's.")
    error_text: str | None
    http_status: int | None


class AttemptList(Shape):
    """Attempts, oldest first."""

    items: list[Attempt]
    next_cursor: None


class Conversation(Shape):
    """Everything between an account and a person."""

    id: UUID
    organization_id: str
    connected_account_id: UUID
    provider: IntegrationProvider
    contact: str = Field(description="The person, by the platform's id.")
    contact_id: UUID | None = Field(description="The person among the contacts.")
    name: str | None
    window_until: datetime | None = Field(description="When the time for free replies ends, or ended.")
    unread_count: int
    last_inbound_at: datetime | None
    last_message_at: datetime | None
    last_message: Message | None
    marketing_opted_out_at: datetime | None
    created_at: datetime
    updated_at: datetime


class ConversationPage(Shape):
    """Conversations, the latest first."""

    items: list[Conversation]
    next_cursor: str | None


class Window(Shape):
    """When a person may be written to."""

    hours: float = Field(description="After their latest sign of life, freely.")
    human_agent_days: int | None = Field(description="With the tag HUMAN_AGENT, where the platform has it.")
    templates: bool = Field(description="Whether an approved template may go out at any time.")


class PlatformCapabilities(Shape):
    """What one platform can carry, and when."""

    capabilities: dict[str, dict[str, Any]]
    window: Window


class Capabilities(RootModel[dict[str, PlatformCapabilities]]):
    """By platform."""


class ItemResult(Shape):
    """What became of one item of a webhook event."""

    index: int
    kind: str
    external_id: str | None
    outcome: Outcome
    reason: str | None = None
    message_id: UUID | None = None


class ListedWebhookEvent(Shape):
    """A webhook event without its payload."""

    id: UUID
    organization_id: str
    connected_account_id: UUID | None
    provider: IntegrationProvider
    event_type: str
    external_account_id: str | None
    contact: str | None
    signature: Signature
    status: WebhookEventStatus
    retries: int = Field(description="Processing attempts after the first.")
    result: list[ItemResult] | None
    error: str | None
    received_at: datetime
    processed_at: datetime | None


class WebhookEvent(ListedWebhookEvent):
    """A webhook event with its payload exactly as it was signed."""

    payload_json: Any
    body: str | None = Field(description="Base64 of the bytes received, where they were not JSON.")


class WebhookEventPage(Shape):
    """Webhook events, newest first."""

    items: list[ListedWebhookEvent]
    next_cursor: str | None


class Job(Shape):
    """A unit of work in the queue."""

    id: UUID
    organization_id: str
    provider: IntegrationProvider
    job_type: str
    payload_json: Any
    status: IntegrationJobStatus
    attempts: int = Field(description="Failed attempts.")
    last_error: str | None
    run_at: datetime
    connected_account_id: UUID | None
    ordering_key: str | None = Field(description="Jobs of one key run one after another.")
    created_at: datetime
    updated_at: datetime


class JobPage(Shape):
    """Jobs, newest first."""

    items: list[Job]
    next_cursor: str | None


class BulkOutcome(Shape):
    """What a bulk action comes to."""

    count: int = Field(description="How many records it is for.")
    exact: bool = Field(description="False, if there are more than could be counted in time.")
    job_id: UUID | None = Field(description="The job that does the rest, if not all is done already.")


class Media(Shape):
    """A file that is kept here: of a message (`n` says which), or an upload."""

    id: UUID
    n: int | None
    state: MediaState = Field(description="WAITING: still to be fetched; STORED; FAILED or GONE: see reason.")
    reason: str | None
    content_type: str | None
    size: int | None = Field(description="Bytes.")
    sha256: str | None
    filename: str | None
    href: str | None = Field(description="Where a message's file is read.")


class Template(Shape):
    """A message template of an account, in one language. What its platform says is in the platform's words."""

    id: UUID
    connected_account_id: UUID
    name: str
    language: str
    category: str | None
    status: str | None = Field(description="APPROVED can be sent; DELETED is gone; null: not known.")
    components: list[Any] | None = Field(description="Null: not known yet.")
    parameter_format: str | None = Field(description="POSITIONAL or NAMED.")
    quality: str | None
    rejected_reason: str | None
    external_id: str | None
    synced_at: datetime | None = Field(description="When it was last read from the platform.")
    created_at: datetime
    updated_at: datetime


class TemplatePage(Shape):
    """Templates, the latest that we learned of first."""

    items: list[Template]
    next_cursor: str | None


class TemplateList(Shape):
    """Templates, all of them."""

    items: list[Template]
    next_cursor: None


class Pause(Shape):
    """Whose jobs do not run."""

    connected_account_id: UUID | None = Field(description="Null: the whole organization's.")
    paused_at: datetime


class PauseState(Shape):
    """Whether jobs run, and how many were put aside because they did not."""

    connected_account_id: UUID | None = Field(description="Null: the whole organization's.")
    paused: bool
    put_aside: int = Field(description="Jobs that workers met while it was paused.")


class FeedItem(Shape):
    """A fact: something that happened."""

    id: UUID
    type: str
    version: Literal[1]
    cursor: str = Field(description="Continues the feed after this fact.")
    organization_id: str
    connected_account_id: UUID | None
    message_id: UUID | None
    occurred_at: datetime
    data: dict[str, Any]


class Feed(Shape):
    """Facts, oldest first."""

    items: list[FeedItem]
    next_cursor: str = Field(description="Where to go on from, also when there was nothing.")


class Health(Shape):
    """Whether the process is there, or ready."""

    status: Literal["ok"]


class FieldError(Shape):
    """One place that does not fit."""

    location: str
    message: str


class Problem(Shape):
    """What went wrong (RFC 9457)."""

    type: str = Field(description="Stable: `urn:hookline:problem:<slug>`.")
    title: str
    status: int
    detail: str = Field(description="What to do about it.")
    errors: list[FieldError] | None = Field(None, description="With status 422: each place that does not fit.")

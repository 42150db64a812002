"""What each kind of WhatsApp webhook becomes: case → items."""

from datetime import UTC, datetime

import pytest
from tests.providers.cases import Expected, assert_items, cases, item, read

from hookline.domain.event import (
    AccountItem,
    Contact,
    ContactItem,
    EditItem,
    Media,
    MessageItem,
    Origin,
    Outcome,
    SkippedItem,
    StatusItem,
    UnsendItem,
)
from hookline.domain.message import MessageDirection, MessageStatus, MessageType

ANNA = "31611111111"
SHOP = "31201234567"
AT = datetime(2026, 1, 1, tzinfo=UTC)


def message(type_: MessageType, text: str = "", **attributes: object) -> Expected:
    return item(MessageItem, type=type_, text=text, **attributes)


def media(type_: str, id_: str, **attributes: str) -> tuple[Media, ...]:
    return (Media(type=type_, id=id_, **attributes),)


def media_of(type_: MessageType, text: str, file: Media) -> Expected:
    return message(type_, text, kind="message", media=(file,))


CASES: dict[str, list[Expected]] = {
    "text": [
        message(
            MessageType.TEXT,
            "Do you open on Sunday?",
            index=0,
            kind="message",
            external_id="wamid.IN1",
            direction=MessageDirection.INBOUND,
            sender=ANNA,
            recipient=SHOP,
            contact=Contact(external_id=ANNA, name="Anna", phone=ANNA),
            sent_at=AT,
            origin=Origin.LIVE,
            status=None,
            meta={},
        )
    ],
    "reply": [message(MessageType.TEXT, "That one", reply_to="wamid.OUT1")],
    "forwarded": [message(MessageType.TEXT, "Look", reply_to=None, meta={"context": {"frequently_forwarded": True}})],
    "ad_referral": [
        message(
            MessageType.TEXT,
            "Hi",
            meta={
                "referral": {
                    "source_url": "https://fb.me/x",
                    "source_id": "120",
                    "source_type": "ad",
                    "headline": "Sale",
                    "ctwa_clid": "ARAk",
                }
            },
        )
    ],
    "group": [message(MessageType.TEXT, "Hi all", sender=ANNA, meta={"group_id": "120363@g.us"})],
    "image": [
        media_of(
            MessageType.IMAGE,
            "The receipt",
            Media(type="image", id="901", mime_type="image/jpeg", sha256="q83v", url="https://lookaside.example/1"),
        )
    ],
    "video": [media_of(MessageType.VIDEO, "", Media(type="video", id="902", mime_type="video/mp4", sha256="q83v"))],
    "voice_note": [
        media_of(
            MessageType.AUDIO,
            "",
            Media(type="audio", id="903", mime_type="audio/ogg; codecs=opus", sha256="q83v"),
        )
    ],
    "voice_legacy": [media_of(MessageType.AUDIO, "", Media(type="audio", id="904", mime_type="audio/ogg"))],
    "document": [
        media_of(
            MessageType.DOCUMENT,
            "Signed",
            Media(type="document", id="905", mime_type="application/pdf", filename="offer.pdf"),
        )
    ],
    "sticker": [media_of(MessageType.STICKER, "", Media(type="sticker", id="906", mime_type="image/webp"))],
    "location": [message(MessageType.LOCATION, "Dam, Amsterdam", media=())],
    "contacts": [message(MessageType.CONTACTS, "Bob Vance, Phyllis")],
    "contacts_without_names": [message(MessageType.CONTACTS, "+31 6 3")],
    "button_reply": [message(MessageType.INTERACTIVE, "Yes", kind="message")],
    "list_reply": [message(MessageType.INTERACTIVE, "Large")],
    "flow_reply": [
        message(
            MessageType.INTERACTIVE,
            "Sent",
            meta={
                "interactive": {
                    "type": "nfm_reply",
                    "nfm_reply": {"name": "flow", "body": "Sent", "response_json": '{"size":"L"}'},
                },
                "response": {"size": "L"},
            },
        )
    ],
    "flow_reply_not_json": [
        message(
            MessageType.INTERACTIVE,
            "Sent",
            meta={
                "interactive": {
                    "type": "nfm_reply",
                    "nfm_reply": {"name": "flow", "body": "Sent", "response_json": "{size"},
                }
            },
        )
    ],
    "call_permission": [message(MessageType.INTERACTIVE, "accept")],
    "interactive_without_content": [
        message(MessageType.INTERACTIVE, "", error_code="131000", error_text="Unsupported webhook payload")
    ],
    "button": [message(MessageType.BUTTON, "No more", meta={"button": {"payload": "STOP", "text": "No more"}})],
    "reaction": [message(MessageType.REACTION, "👍", kind="reaction", reacts_to="wamid.OUT1", reply_to=None)],
    "reaction_taken_back_by_empty_emoji": [message(MessageType.REACTION, "", reacts_to="wamid.OUT1")],
    "reaction_taken_back_without_emoji": [message(MessageType.REACTION, "", reacts_to="wamid.OUT1")],
    "order": [message(MessageType.ORDER, "Please deliver")],
    "number_changed": [
        message(MessageType.SYSTEM, "Anna changed number", kind="system", index=0),
        item(ContactItem, index=0, kind="identity", contact=Contact(external_id=ANNA, phone="31622222222"), at=AT),
    ],
    "user_id_changed": [
        message(MessageType.SYSTEM, "Anna changed", sender="", contact=Contact()),
        item(
            ContactItem,
            kind="identity",
            contact=Contact(external_id="NL.2000", user_id="NL.2000", parent_user_id="NL.ENT.3"),
        ),
    ],
    "edit": [item(EditItem, kind="edit", external_id="wamid.IN0", text="On Monday", at=AT, version=None)],
    "edit_of_caption": [item(EditItem, external_id="wamid.IN0", text="New caption")],
    "edit_of_nothing": [item(SkippedItem, kind="edit", outcome=Outcome.UNSUPPORTED)],
    "revoke": [item(UnsendItem, kind="unsend", external_id="wamid.IN0", at=AT)],
    "unsupported": [
        message(MessageType.UNSUPPORTED, "", kind="message", error_code="131051", error_text="Not supported")
    ],
    "unknown_legacy": [message(MessageType.UNSUPPORTED, "", error_text="Type is not supported")],
    "future_type": [message(MessageType.UNSUPPORTED, "", meta={"type": "hologram", "hologram": {"depth": 3}})],
    "request_welcome": [message(MessageType.OTHER, "", meta={"type": "request_welcome"})],
    "without_id": [
        message(
            MessageType.TEXT,
            "no id",
            external_id="sha256:fad168eb4f0ddc3dbc44ee8c48e815175c09ea7fab8da3f93cb54ad93b70cd77",
        )
    ],
    "from_own_number": [
        message(
            MessageType.TEXT,
            "from us",
            kind="echo",
            direction=MessageDirection.OUTBOUND,
            origin=Origin.ECHO,
            sender=SHOP,
            recipient=ANNA,
        )
    ],
    "hidden_phone": [
        message(
            MessageType.TEXT,
            "hi",
            sender="NL.1000",
            contact=Contact(
                external_id="NL.1000", name="Zoe", username="@zoe", user_id="NL.1000", parent_user_id="NL.ENT.1"
            ),
        )
    ],
    "hidden_phone_as_empty_text": [
        message(MessageType.TEXT, "hi", contact=Contact(external_id="NL.1000", name="Zoe", user_id="NL.1000"))
    ],
    "hidden_phone_in_from": [message(MessageType.TEXT, "hi", contact=Contact(external_id="NL.1000", name="Zoe"))],
    "author_only_in_contacts": [
        message(MessageType.TEXT, "hi", contact=Contact(external_id="NL.1000", name="Zoe", user_id="NL.1000"))
    ],
    "status_sent": [
        item(
            StatusItem,
            kind="status",
            external_id="wamid.OUT1",
            status=MessageStatus.SENT,
            at=datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC),
            meta={
                "recipient_id": ANNA,
                "conversation": {"id": "c1", "origin": {"type": "service"}},
                "pricing": {"billable": True, "category": "service"},
                "biz_opaque_callback_data": "ours",
            },
        )
    ],
    "status_delivered": [item(StatusItem, status=MessageStatus.DELIVERED)],
    "status_read": [item(StatusItem, status=MessageStatus.READ)],
    "status_played": [item(StatusItem, status=MessageStatus.PLAYED)],
    "status_failed": [
        item(
            StatusItem,
            status=MessageStatus.FAILED,
            error_code="131047",
            error_text="More than 24 hours have passed",
        )
    ],
    "status_without_phone": [item(StatusItem, status=MessageStatus.FAILED, error_code=None)],
    "status_in_group": [item(StatusItem, status=MessageStatus.READ)],
    "status_legacy": [
        item(SkippedItem, index=0, kind="status", outcome=Outcome.IGNORED),
        item(SkippedItem, index=1, kind="status", outcome=Outcome.IGNORED),
    ],
    "status_unknown": [
        item(SkippedItem, outcome=Outcome.UNSUPPORTED, reason="status teleported is not known"),
        item(SkippedItem, outcome=Outcome.UNSUPPORTED, reason="a status that names no message"),
    ],
    "account_errors": [item(AccountItem, kind="account_error", data={"code": 130429, "title": "Rate limit hit"})],
    "echoes": [
        message(
            MessageType.TEXT,
            "typed on the phone",
            kind="echo",
            direction=MessageDirection.OUTBOUND,
            origin=Origin.ECHO,
            sender=SHOP,
            recipient=ANNA,
        ),
        item(UnsendItem, external_id="wamid.E0"),
    ],
    "history": [
        item(AccountItem, index=0, kind="sync", data={"phase": 0, "chunk_order": 1, "progress": 40}),
        message(
            MessageType.TEXT,
            "old in",
            index=1,
            kind="history",
            direction=MessageDirection.INBOUND,
            origin=Origin.HISTORY,
            status=None,
        ),
        message(
            MessageType.TEXT,
            "old out",
            index=2,
            direction=MessageDirection.OUTBOUND,
            origin=Origin.HISTORY,
            recipient=ANNA,
            status=MessageStatus.FAILED,
        ),
        message(MessageType.OTHER, "", index=3, recipient=ANNA, status=MessageStatus.SENT),
    ],
    "history_declined": [item(AccountItem, kind="account_error")],
    "history_media": [
        message(
            MessageType.IMAGE,
            "",
            kind="history",
            origin=Origin.HISTORY,
            media=media("image", "907", mime_type="image/jpeg"),
        )
    ],
    "state_sync": [
        item(ContactItem, kind="contact", contact=Contact(external_id=ANNA, name="Anna de Boer", phone=ANNA), at=AT),
        item(ContactItem, kind="contact", contact=Contact(external_id="31622222222", phone="31622222222"), at=None),
        item(SkippedItem, kind="contact", outcome=Outcome.UNSUPPORTED),
    ],
    "calls": [
        message(MessageType.CALL, kind="call", external_id="wacid.1", direction=MessageDirection.INBOUND, sender=ANNA),
        message(MessageType.CALL, external_id="wacid.1:terminate", direction=MessageDirection.INBOUND),
        message(
            MessageType.CALL,
            external_id="wacid.2",
            direction=MessageDirection.OUTBOUND,
            origin=Origin.ECHO,
            recipient=ANNA,
        ),
    ],
    "call_failed": [
        message(
            MessageType.CALL,
            external_id="wacid.3:terminate",
            direction=MessageDirection.OUTBOUND,
            error_code="138000",
            error_text="Calling not enabled",
        )
    ],
    "call_progress": [item(SkippedItem, kind="status", outcome=Outcome.IGNORED)],
    "account_banned": [
        item(
            AccountItem,
            kind="account",
            at=AT,
            metadata={"accountEvent": "DISABLED_UPDATE", "banState": "DISABLE", "banDate": "January 1, 2026"},
        )
    ],
    "account_restricted": [
        item(
            AccountItem,
            kind="account",
            metadata={
                "accountEvent": "ACCOUNT_RESTRICTION",
                "restrictions": [
                    {"restriction_type": "RESTRICTED_BIZ_INITIATED_MESSAGING", "expiration": "1767830400"}
                ],
            },
        )
    ],
    "partner_removed": [item(AccountItem, kind="disconnected", metadata={"accountEvent": "PARTNER_REMOVED"})],
    "account_review": [item(AccountItem, kind="account", metadata={"reviewDecision": "APPROVED"})],
    "account_alert": [item(AccountItem, kind="account", metadata={})],
    "capability": [
        item(AccountItem, kind="quality", metadata={"messagingLimit": 2000, "maxPhoneNumbersPerBusiness": 25})
    ],
    "quality": [item(AccountItem, kind="quality", metadata={"qualityEvent": "UPGRADE", "messagingLimit": "TIER_10K"})],
    "name_approved": [
        item(AccountItem, kind="account", metadata={"nameDecision": "APPROVED", "verifiedName": "Flower Shop"})
    ],
    "name_rejected": [item(AccountItem, kind="account", metadata={"nameDecision": "REJECTED"})],
    "security": [item(AccountItem, kind="account", metadata={})],
    "username": [item(AccountItem, kind="account", metadata={"username": "flowers", "usernameStatus": "approved"})],
    "template_rejected": [item(AccountItem, kind="template", external_id="12345678901234567890", metadata={}, at=AT)],
    "template_quality": [item(AccountItem, kind="template", external_id="5")],
    "unknown_field": [
        item(SkippedItem, kind="holograms", outcome=Outcome.UNSUPPORTED, reason="field holograms is not known")
    ],
    "preferences": [
        item(
            ContactItem,
            kind="preference",
            contact=Contact(external_id=ANNA, phone=ANNA, user_id="NL.1000"),
            at=AT,
        )
    ],
    "user_id_update": [
        item(
            ContactItem,
            kind="identity",
            contact=Contact(external_id=ANNA, phone=ANNA, user_id="NL.2000", parent_user_id="NL.ENT.2"),
        )
    ],
    "group_created": [item(AccountItem, kind="group", external_id="G1", at=AT)],
    "without_phone_number_id": [message(MessageType.TEXT, "hi", recipient="")],
    "wrong_shapes": [
        item(SkippedItem, kind="entry", outcome=Outcome.UNSUPPORTED),
        item(SkippedItem, kind="entry", outcome=Outcome.UNSUPPORTED),
        item(SkippedItem, kind="changes", outcome=Outcome.UNSUPPORTED),
        item(SkippedItem, kind="changes", outcome=Outcome.UNSUPPORTED),
        item(SkippedItem, kind="messages", outcome=Outcome.UNSUPPORTED, reason="a change without value"),
        item(SkippedItem, kind="message", outcome=Outcome.UNSUPPORTED),
        message(MessageType.TEXT, "good"),
        item(SkippedItem, kind="status", outcome=Outcome.UNSUPPORTED),
        item(SkippedItem, kind="message", outcome=Outcome.UNSUPPORTED),
        item(StatusItem, status=MessageStatus.SENT),
        item(AccountItem, kind="account"),
    ],
    "no_entries": [item(SkippedItem, outcome=Outcome.IGNORED)],
    "dashboard_test": [message(MessageType.TEXT, "this is a text message")],
}


@pytest.mark.parametrize("case", CASES)
def test_a_webhook_becomes_items(case: str) -> None:
    """Each kind of webhook of the protocol reference is told in our vocabulary, item by item, in payload order."""
    assert_items(read("whatsapp", case), CASES[case])


def test_every_sample_is_expected() -> None:
    """No sample lies here untested; `batch` is what the tests of `split` are about."""
    assert {*CASES, "batch"} == set(cases("whatsapp"))

"""The generic envelope, the same for every provider."""

import pytest
from tests.providers.cases import assert_items, body, item

from hookline.domain.account import IntegrationProvider
from hookline.domain.event import Contact, Item, MessageItem, Outcome, Part, SkippedItem
from hookline.domain.message import MessageDirection, MessageType
from hookline.providers import PROVIDERS

pytestmark = pytest.mark.parametrize("name", list(IntegrationProvider))


def split(name: IntegrationProvider, case: str) -> Part:
    (part,) = PROVIDERS[name].split(body("generic", case))
    assert part.payload.encode() == body("generic", case)
    assert (part.ignored, part.unsupported, part.failed) == (None, None, None)
    return part


def read(name: IntegrationProvider, case: str) -> list[Item]:
    return PROVIDERS[name].parse(split(name, case).payload)


def test_it_is_routed_by_whoever_received_it(name: IntegrationProvider) -> None:
    """`data.to` names the account, as it stands or by its digits."""
    part = split(name, "message")
    assert (part.event_type, part.address, part.fallback) == ("message", "+31201234567", "phone:31201234567")
    assert (part.contact, part.ordering, part.organization_id) == ("+31611111111", "+31611111111", None)


def test_it_is_routed_by_the_account_that_it_names(name: IntegrationProvider) -> None:
    """`externalAccountId` names the account whatever the receiver; the organization is only claimed."""
    part = split(name, "message_with_account")
    assert (part.address, part.fallback, part.external_account_id) == ("shop-1", None, "shop-1")
    assert part.organization_id == "org-1"


def test_one_that_names_no_account_says_so(name: IntegrationProvider) -> None:
    """No address, yet not given up: whoever stores it may know the account."""
    part = split(name, "message_without_receiver")
    assert (part.address, part.fallback, part.contact) == (None, None, "+31611111111")


def test_it_is_a_message(name: IntegrationProvider) -> None:
    """`messageId` makes it idempotent."""
    assert_items(
        read(name, "message"),
        [
            item(
                MessageItem,
                index=0,
                kind="message",
                external_id="msg-1",
                direction=MessageDirection.INBOUND,
                type=MessageType.TEXT,
                sender="+31611111111",
                recipient="+31201234567",
                text="Hello",
                contact=Contact(external_id="+31611111111", phone="+31611111111"),
                meta={},
            )
        ],
    )


def test_its_own_words_are_kept(name: IntegrationProvider) -> None:
    """Numbers are ids too, and what has no field of ours goes to `meta`."""
    expected = item(
        MessageItem,
        external_id="7",
        recipient="+31201234567",
        contact=Contact(external_id="anna"),
        meta={"campaign": "x"},
    )
    assert_items(read(name, "message_with_account"), [expected])


def test_one_without_id_names_none(name: IntegrationProvider) -> None:
    """The same words sent twice are two messages: whoever stores one names it after its event."""
    assert_items(read(name, "message_without_receiver"), [item(MessageItem, external_id="", text="Hello")])


def test_another_event_type_is_unsupported(name: IntegrationProvider) -> None:
    """What we do not know is kept and said to be so."""
    assert_items(read(name, "other_event"), [item(SkippedItem, kind="typing", outcome=Outcome.UNSUPPORTED)])


def test_nothing_in_it_can_raise(name: IntegrationProvider) -> None:
    """Any data object is a message, were it empty."""
    for data in ("{}", '{"from": [], "to": {}, "text": 5, "messageId": 1.5, "timestamp": "x"}', '{"to": true}'):
        text = f'{{"eventType": "message", "data": {data}, "externalAccountId": {{}}, "organizationId": 3}}'
        (part,) = PROVIDERS[name].split(text.encode())
        assert part.address is None
        (message,) = PROVIDERS[name].parse(part.payload)
        assert isinstance(message, MessageItem)

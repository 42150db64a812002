"""How a delivery status may move: pure rules."""

import itertools

import pytest

from hookline.domain.message import MessageStatus, advances

ORDER = [
    MessageStatus.QUEUED,
    MessageStatus.SENDING,
    MessageStatus.UNKNOWN,
    MessageStatus.SENT,
    MessageStatus.FAILED,
    MessageStatus.DELIVERED,
    MessageStatus.READ,
    MessageStatus.PLAYED,
]


@pytest.mark.parametrize(("current", "new"), list(itertools.product(ORDER, repeat=2)))
def test_a_status_moves_forward_only(current: MessageStatus, new: MessageStatus) -> None:
    """A later status of the row wins, an earlier or equal one changes nothing; FAILED lies before DELIVERED."""
    assert advances(current, new) is (ORDER.index(new) > ORDER.index(current))


@pytest.mark.parametrize("status", list(MessageStatus))
def test_received_neither_moves_nor_is_reached(status: MessageStatus) -> None:
    """An inbound message has no delivery."""
    assert not advances(MessageStatus.RECEIVED, status)
    assert not advances(status, MessageStatus.RECEIVED)

"""Conversations: what an account and a person said to each other, and since when the person last wrote.

Derived from the world's messages; nothing here needs to be saved. Source: protocol reference 7.1, 7.2 (windows).
"""

from collections import deque
from collections.abc import Callable, Iterator

from hookline.simulator.records import Direction, Message
from hookline.simulator.world import World

WINDOW_SECONDS = 24 * 3600
HUMAN_AGENT_SECONDS = 7 * 24 * 3600
# A thread remembers so many of its messages.
KEPT = 500

Key = tuple[str, str]


class Thread:
    """One account and one person. Times are the world's; 0 is never.

    open_pages: how many chat pages show it. typing_until: the business shows that it types. pair_at: the pair limit's
    own account of time (limits.py).
    """

    __slots__ = (
        "account_id",
        "contact_id",
        "last_inbound_at",
        "message_ids",
        "open_pages",
        "pair_at",
        "seen_by_business_at",
        "typing_until",
        "version",
    )

    def __init__(self, account_id: str, contact_id: str) -> None:
        self.account_id = account_id
        self.contact_id = contact_id
        self.message_ids: deque[str] = deque(maxlen=KEPT)
        self.last_inbound_at = 0.0
        self.seen_by_business_at = 0.0
        self.typing_until = 0.0
        self.pair_at = 0.0
        self.open_pages = 0
        self.version = 0

    def window_open(self, now: float, seconds: float = WINDOW_SECONDS) -> bool:
        """Whether the person has written within so many seconds."""
        return self.last_inbound_at > 0 and now - self.last_inbound_at < seconds


class Threads:
    """All conversations, by account and person."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._threads: dict[Key, Thread] = {}
        self._watchers: set[Callable[[Thread], None]] = set()
        self.index()

    def index(self) -> None:
        """Read the conversations out of the world's messages anew."""
        self._threads.clear()
        for message in self._world.records.messages.values():
            self._note(message)

    def of(self, account_id: str, contact_id: str) -> Thread:
        """The conversation of an account and a person, begun if there was none."""
        key = (account_id, contact_id)
        thread = self._threads.get(key)
        if thread is None:
            thread = self._threads[key] = Thread(account_id, contact_id)
        return thread

    def add(self, message: Message) -> Thread:
        """Keep a message that was just said, and tell whoever watches."""
        self._world.add_message(message)
        thread = self._note(message)
        self.changed(thread)
        return thread

    def changed(self, thread: Thread) -> None:
        """Tell whoever watches that something in a conversation is new."""
        thread.version += 1
        for watcher in self._watchers:
            watcher(thread)

    def changed_message(self, message: Message) -> None:
        """Tell whoever watches that a message is not what it was."""
        self.changed(self.of(message.account_id, message.contact_id))

    def messages(self, thread: Thread) -> Iterator[Message]:
        """The messages that are still kept, oldest first."""
        kept = self._world.records.messages
        return (kept[message_id] for message_id in list(thread.message_ids) if message_id in kept)

    def message(self, account_id: str, message_id: str) -> Message | None:
        """A message of an account."""
        message = self._world.records.messages.get(message_id)
        return message if message is not None and message.account_id == account_id else None

    def watch(self, watcher: Callable[[Thread], None]) -> Callable[[], None]:
        """Have `watcher` told of every change; call what is returned to end that."""
        self._watchers.add(watcher)
        return lambda: self._watchers.discard(watcher)

    def _note(self, message: Message) -> Thread:
        thread = self.of(message.account_id, message.contact_id)
        thread.message_ids.append(message.id)
        if message.direction is Direction.INBOUND:
            thread.last_inbound_at = max(thread.last_inbound_at, message.sent_at)
        return thread

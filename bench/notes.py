"""How it is measured, in words: the page's second part."""

from bench.outgoing import NUMBERS
from bench.plan import FULL
from bench.rows.sending import AT_ONCE
from bench.rows.webhooks import CONNECTIONS, OPEN_CONNECTIONS
from bench.samples import CONTACTS

NOTES = (
    "Everything is on one machine and shares its cores: load generator, server, database. Processor time each is what"
    " one webhook or job costs each of them.",
    f"Webhooks are WhatsApp text messages with distinct ids from {CONTACTS:,} contacts to one connected number, made"
    " and signed before the clock starts, sent by a process of its own over keep-alive HTTP/1.1 connections"
    f" ({CONNECTIONS} where the rate is sought, {OPEN_CONNECTIONS} where it is given).",
    "Every round ends with a count in the database: each webhook sent was answered 200, its message id is in"
    " webhook_events, and it has a job; each job that was run is recorded as done, once. A difference stops the row.",
    "The bare limit is bench/bare.py: the same server and options, signature check, tables, batch size and writers, but"
    " nothing is read of the body, nothing routed, and no row-level security. The plain service is bench/plain.py. All"
    " take turns on emptied tables, which have no statistics then, as in a new installation.",
    "Latency is measured from the moment the schedule says, not from when a connection came free, so that a pause"
    " counts for every request that it delayed. The schedule is looked at once a millisecond, which is included.",
    "Processing is timed by the commit timestamps of the rows (track_commit_timestamp): from the first commit of a"
    " batch, whose events do not count, to the last. Every event must be PROCESSED and have its message.",
    "End to end ends with the commit timestamp of the message's transaction. The server notes it as it writes the"
    " commit; the flush to disk that follows, about as long as the fdatasync above, is not in it.",
    "Queues: every contender has a database of its own on the same server with the same settings, and one worker"
    " process; its handlers only count. They take turns in every round. The clock runs from the first job's beginning"
    " to the moment when the database records the last one as done, so that nobody's start counts.",
    f"A contender that has not drained its queue {FULL.drain_seconds:g} s after its first job is stopped; what the"
    " database records as done until then counts.",
    "Each peer runs as it comes, and in the best configuration that its documentation knows, which the file of its"
    " name in bench/contenders cites. Configurations that give up durability do not take part.",
    "Peers run unordered jobs: of the options that would order them by key, none is in use.",
    "A job's latency is from the moment at which a process of its own was to enqueue it, through the contender's own"
    " interface, to the first line of its handler.",
    f"Sending: {NUMBERS} WhatsApp numbers at 1,000 a second each, at the fake platforms in a process of their own,"
    " which hold everybody to the platform's limits and count. Each message must be taken once, none refused; ours must"
    " be done, in order for each person. Ours wait in the queue when the worker starts (made by one statement, after"
    " one of each number that was accepted); the clock runs from the first attempt to the last message recorded as sent"
    " or read. The others only call: they record nothing, keep no pace and no order.",
    f"pywa is called as its documentation has it, an asynchronous client a number: one by one, and {AT_ONCE} calls at"
    f" once. The bare client is aiohttp, {AT_ONCE} calls at once: what the fake platforms take.",
    "Endurance is not part of every run: `make bench ROWS=endurance`. Its worn drains slow down with every job that"
    " ends while the snapshot is held: nothing of it can be cleared, the table outgrows the database's memory, and a"
    " claim steps over all jobs of a key that have ended meanwhile. See decisions/0013.",
    "The peers from npm take part with PEERS=all.",
    "Rounds begin when other programs leave the machine alone, or after half a minute. There are no timed assertions.",
)

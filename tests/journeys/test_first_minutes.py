"""The first minutes with the program: `hookline run` in an empty folder, the specification's requests, its end."""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from tests.journeys.processes import Program, arguments_of, children_of, listens, lives, program, run, until
from tests.servers import free_port, open_folder

FIRST_SECONDS = 30


class Place:
    """An empty folder, a free port, and the program in it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.simulator_port = free_port()
        ports = {"PORT": str(self.port), "SIMULATOR_PORT": str(self.simulator_port)}
        self.settings = {"DATA_DIR": str(folder / "data"), **ports}
        self.url = f"http://127.0.0.1:{self.port}"

    def hookline(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a command beside the running program."""
        return run(arguments, self.folder, self.settings)

    def told(self, *arguments: str) -> str:
        """What a command that succeeds prints."""
        done = self.hookline(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        """One request, as curl sends it."""
        data = None if body is None else json.dumps(body, indent=2).encode()
        request = urllib.request.Request(self.url + path, data, headers or {}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    @cached_property
    def caller(self) -> dict[str, str]:
        """The specification's headers, with a token of the command's."""
        token = self.told("token", "--org", "org-123").strip()
        return {"Authorization": f"Bearer {token}", "X-Organization-Id": "org-123", "Content-Type": "application/json"}

    def messages(self) -> list[Any]:
        """What the organization's log holds."""
        status, found = self.ask("GET", "/api/messages", headers=self.caller)
        assert status == 200
        return list(found["items"])


@pytest.fixture
def place() -> Iterator[Place]:
    with open_folder() as folder:
        yield Place(folder)


def started(running: Program) -> None:
    """Wait until it says that it is ready."""
    until(lambda: "Hookline is ready" in running.out or running.process.poll() is not None, "it is ready")
    assert running.process.poll() is None, running.err


def database_of(place: Place) -> list[int]:
    """The embedded server's process, while there is one."""
    found = []
    for cmdline in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(place.folder).encode() in cmdline.read_bytes() and lives(int(cmdline.parent.name)):
                found.append(int(cmdline.parent.name))
        except OSError:
            continue
    return found


def test_the_specification_s_examples_work_as_printed(place: Place) -> None:
    """Connect, receive, list: the three requests succeed with a fresh `hookline run`, and the message is there."""
    before = time.monotonic()
    with program(["run"], place.folder, place.settings) as running:
        started(running)
        assert time.monotonic() - before < FIRST_SECONDS
        assert place.url in running.out
        _connect_receive_list(place)
        _look_into_it(place)
        running.signal(signal.SIGTERM)
        assert running.wait() == 0, running.err
        _everything_is_gone(place)
        assert "Traceback" not in running.err


def _connect_receive_list(place: Place) -> None:
    status, account = place.ask(
        "POST",
        "/api/integrations/WHATSAPP/connect",
        {"externalAccountId": "whatsapp-business-123", "displayName": "My WhatsApp Business"},
        place.caller,
    )
    assert (status, account["status"], account["organizationId"]) == (201, "CONNECTED", "org-123")
    body = {"eventType": "message", "data": {"from": "+1234567890", "text": "Hello, I want to buy an iPhone"}}
    answer = place.ask("POST", "/api/webhooks/WHATSAPP", body, {"Content-Type": "application/json"})
    assert answer == (200, {"status": "received"})
    status, accounts = place.ask("GET", "/api/integrations", headers=place.caller)
    assert (status, [one["id"] for one in accounts]) == (200, [account["id"]])
    until(place.messages, "the message is in the log", 20)
    (message,) = place.messages()
    assert (message["from"], message["text"]) == ("+1234567890", "Hello, I want to buy an iPhone")
    assert message["to"] == "whatsapp-business-123"


def _look_into_it(place: Place) -> None:
    """What operators do: trace, replay, look at what nobody owns."""
    (message,) = place.messages()
    story = json.loads(place.told("trace", message["externalId"], "--json"))
    (event,) = story["events"]
    assert (story["messages"][0]["id"], event["status"]) == (message["id"], "PROCESSED")
    assert event["jobs"][0]["status"] == "DONE"
    assert message["text"] not in json.dumps(story)
    assert "message.received" in place.told("trace", message["id"])
    assert place.hookline("trace", "wamid.never-heard-of").returncode == 1
    (replayed,) = json.loads(place.told("replay", event["id"], "--json"))
    assert (replayed["id"], replayed["status"]) == (event["id"], "PENDING")

    def processed() -> bool:
        _, shown = place.ask("GET", f"/api/webhook-events/{event['id']}", headers=place.caller)
        return bool(shown["status"] == "PROCESSED")

    until(processed, "the replayed event is processed")
    assert len(place.messages()) == 1
    assert json.loads(place.told("events", "--unowned", "--json")) == []
    said = {"from": "+1", "to": "+49 170 0000000", "text": "for nobody", "messageId": "m-1"}
    assert place.ask("POST", "/api/webhooks/WHATSAPP", {"eventType": "message", "data": said})[0] == 200
    (waiting,) = json.loads(place.told("events", "--unowned", "--json"))
    assert (waiting["organizationId"], waiting["status"]) == (None, "PENDING")
    assert "for nobody" not in json.dumps(waiting)


def _everything_is_gone(place: Place) -> None:
    assert not listens(place.port)
    until(lambda: not database_of(place), "the database has ended", 20)


def test_ctrl_c_leaves_nothing_running(place: Place) -> None:
    """Ctrl-C reaches every process of the terminal at once; all end, cleanly, and the next start finds the data."""
    with program(["run"], place.folder, place.settings) as running:
        started(running)
        children = children_of(running.process.pid)
        assert len(children) >= 2
        os.killpg(running.process.pid, signal.SIGINT)
        assert running.wait() in (0, 130), running.err
        until(lambda: not any(lives(pid) for pid in children), "the children have ended", 20)
        assert "Traceback" not in running.err
    _everything_is_gone(place)


def test_a_killed_parent_takes_its_children_with_it(place: Place) -> None:
    """After kill -9 of `run` the children end and the port is free; the next start finds everything again."""
    with program(["run"], place.folder, place.settings) as running:
        started(running)
        _connect_receive_list(place)
        children = children_of(running.process.pid)
        running.kill()
        until(lambda: not any(lives(pid) for pid in children), "the children have ended", 30)
        assert not listens(place.port)
        until(lambda: not database_of(place), "the last one has stopped the database", 20)
    with program(["run"], place.folder / "again", place.settings) as again:
        started(again)
        (message,) = place.messages()
        assert message["text"] == "Hello, I want to buy an iPhone"
        assert again.stop() == 0


def test_children_that_die_are_started_again(place: Place) -> None:
    """A killed API or worker comes back by itself, and what was sent meanwhile or after is processed."""
    with program(["run"], place.folder, place.settings) as running:
        started(running)
        for pid in children_of(running.process.pid):
            if {"worker", "api"} & set(arguments_of(pid)):
                os.kill(pid, signal.SIGKILL)
        until(lambda: running.err.count("is started again") >= 2, "both are started again", 20)
        until(lambda: listens(place.port), "the API listens again", 20)
        _connect_receive_list(place)
        assert running.stop() == 0
    _everything_is_gone(place)


def test_a_port_that_is_taken_is_one_line(place: Place) -> None:
    """If somebody listens there already, `run` says so, and what to do, and ends with code 2."""
    with socket.create_server(("127.0.0.1", place.port)):
        done = place.hookline("run")
    assert done.returncode == 2
    assert f"cannot listen on 127.0.0.1:{place.port}" in done.stderr
    assert "Traceback" not in done.stderr
    until(lambda: not database_of(place), "the database has ended", 20)

"""The OpenAPI document and the page made of it: they say what the API does."""

import base64
import hashlib
import html
import json
import re
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pydantic
import pytest
from tests.web.conftest import Client
from tests.web.rows import Rows

from hookline.domain.outbound import read_message
from hookline.web import examples, models, privacy_docs

KEYS_OF = [
    ("/api/integrations", lambda answer: answer[0], models.ConnectedAccount),
    ("/api/messages", lambda answer: answer["items"][0], models.Message),
    ("/api/messages", lambda answer: answer, models.MessagePage),
    ("/api/webhook-events", lambda answer: answer["items"][0], models.ListedWebhookEvent),
    ("/api/webhook-events/{event}", lambda answer: answer, models.WebhookEvent),
    ("/api/jobs", lambda answer: answer["items"][0], models.Job),
    ("/api/conversations", lambda answer: answer["items"][0], models.Conversation),
    ("/api/conversations", lambda answer: answer, models.ConversationPage),
    ("/api/capabilities", lambda answer: answer["WHATSAPP"], models.PlatformCapabilities),
    ("/api/events", lambda answer: answer["items"][0], models.FeedItem),
    ("/api/events", lambda answer: answer, models.Feed),
    ("/healthz", lambda answer: answer, models.Health),
    ("/api/jobs/x", lambda answer: answer | {"errors": []}, models.Problem),
]


@pytest.fixture
async def document(api: Client) -> Any:
    answer = await api.get("/openapi.json", headers={})
    assert answer.status == 200
    return answer.json


def operations(document: Any) -> list[tuple[str, str, Any]]:
    return [(path, method, operation) for path, item in document["paths"].items() for method, operation in item.items()]


def keys(model: type[pydantic.BaseModel]) -> list[str]:
    return [field.serialization_alias or field.alias or name for name, field in model.model_fields.items()]


async def test_the_models_are_the_shapes(api: Client, rows: Rows) -> None:
    """Each model has the keys of what is really answered, and takes it; so the document cannot drift."""
    event = await rows.event(result='[{"index":0,"kind":"message","externalId":"1","outcome":"applied"}]')
    await rows.account()
    await rows.conversation(last_message_id=await rows.message())
    await rows.job()
    await rows.fact()
    for path, part, model in KEYS_OF:
        answer = part((await api.get(path.format(event=event))).json)
        assert sorted(answer) == sorted(keys(model)), path
        model.model_validate(answer)
    account = (await api.get("/api/integrations")).json[0]
    health = (await api.get(f"/api/integrations/{account['id']}/health")).json
    for answer, model in ((health, models.AccountHealth), (health["findings"][0], models.Finding)):
        assert sorted(answer) == sorted(keys(model))
        model.model_validate(answer)
    gone = (await api.delete(f"/api/integrations/{account['id']}/disconnect")).json
    assert sorted(gone) == sorted(keys(models.DisconnectedAccount))


def test_examples_are_of_their_models() -> None:
    """Each example has all of its model's fields and fits it."""
    pairs: list[tuple[Any, type[pydantic.BaseModel]]] = [
        (examples.ACCOUNT, models.ConnectedAccount),
        (examples.DISCONNECTED, models.DisconnectedAccount),
        (examples.BEGUN, models.Begun),
        (examples.OFFER, models.Offer),
        (examples.CHOSEN, models.Chosen),
        (examples.SYNC_JOB, models.Job),
        (examples.ACCOUNT_HEALTH, models.AccountHealth),
        (examples.ACCOUNT_HEALTH["findings"][0], models.Finding),
        (examples.MESSAGE, models.Message),
        (examples.LISTED_EVENT, models.ListedWebhookEvent),
        (examples.EVENT, models.WebhookEvent),
        (examples.QUEUED, models.Message),
        (examples.CONVERSATION, models.Conversation),
        (examples.ATTEMPT, models.Attempt),
        (examples.JOB, models.Job),
        (examples.CANCELLED_JOB, models.Job),
        (examples.PAUSE, models.Pause),
        (examples.PAUSED, models.PauseState),
        (examples.RESUMED, models.PauseState),
        (examples.PAUSED_ACCOUNT, models.PauseState),
        (examples.BULK_DONE, models.BulkOutcome),
        (examples.BULK_BEGUN, models.BulkOutcome),
        (examples.FEED, models.Feed),
        (examples.page(examples.MESSAGE), models.MessagePage),
        (privacy_docs.DELETION_TAKEN, privacy_docs.DeletionTaken),
        (privacy_docs.DELETION, privacy_docs.Deletion),
    ]
    for example, model in pairs:
        assert sorted(example) == sorted(keys(model))
        model.model_validate(example)


async def test_every_operation_is_described(document: Any) -> None:
    """Every operation has a summary, a description, a tag that is explained, an id of its own, and an example."""
    tags = {tag["name"] for tag in document["tags"]}
    found = operations(document)
    for path, method, operation in found:
        assert operation["summary"], path
        assert len(operation["description"]) > 20, path
        assert set(operation["tags"]) <= tags, path
        good = [answer for status, answer in operation["responses"].items() if status.startswith("2")]
        assert good, (path, method)
        if path != "/metrics":
            assert all("example" in next(iter(answer["content"].values())) for answer in good), path
    ids = [operation["operationId"] for *_, operation in found]
    assert len(set(ids)) == len(ids)


async def test_the_document_names_every_route_of_the_api(document: Any) -> None:
    """The routes are these; whoever adds one adds it here."""
    assert sorted(f"{method.upper()} {path}" for path, method, _ in operations(document)) == [
        "DELETE /api/contacts/{contactId}",
        "DELETE /api/integrations/{accountId}/disconnect",
        "DELETE /api/integrations/{accountId}/templates/{template}",
        "GET /api/capabilities",
        "GET /api/contacts",
        "GET /api/contacts/{contactId}",
        "GET /api/conversations",
        "GET /api/data-deletion/{code}",
        "GET /api/events",
        "GET /api/integrations",
        "GET /api/integrations/connections/{state}",
        "GET /api/integrations/{accountId}/health",
        "GET /api/integrations/{accountId}/templates",
        "GET /api/integrations/{accountId}/templates/{template}",
        "GET /api/integrations/{provider}/callback",
        "GET /api/jobs",
        "GET /api/jobs/pauses",
        "GET /api/jobs/{jobId}",
        "GET /api/messages",
        "GET /api/messages/{messageId}",
        "GET /api/messages/{messageId}/attempts",
        "GET /api/messages/{messageId}/media/{n}",
        "GET /api/webhook-events",
        "GET /api/webhook-events/{eventId}",
        "GET /api/webhooks/{provider}",
        "GET /healthz",
        "GET /metrics",
        "GET /readyz",
        "POST /api/conversations/{conversationId}/read",
        "POST /api/integrations/connections/{state}",
        "POST /api/integrations/{accountId}/pause",
        "POST /api/integrations/{accountId}/resume",
        "POST /api/integrations/{accountId}/sync",
        "POST /api/integrations/{accountId}/templates",
        "POST /api/integrations/{accountId}/templates/sync",
        "POST /api/integrations/{provider}/connect",
        "POST /api/jobs/cancel",
        "POST /api/jobs/pause",
        "POST /api/jobs/resume",
        "POST /api/jobs/retry",
        "POST /api/jobs/{jobId}/cancel",
        "POST /api/jobs/{jobId}/retry",
        "POST /api/media",
        "POST /api/messages",
        "POST /api/messages/{messageId}/resolve",
        "POST /api/webhook-events/replay",
        "POST /api/webhook-events/{eventId}/replay",
        "POST /api/webhooks/{provider}",
        "POST /api/webhooks/{provider}/data-deletion",
        "POST /api/webhooks/{provider}/deauthorize",
    ]


async def test_callers_are_told_what_to_send(document: Any) -> None:
    """All of /api but what platforms, browsers and people without a login ask needs the token and the header."""
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    for path, _, operation in operations(document):
        protected = path.startswith("/api/") and "/webhooks/" not in path and not path.endswith("/callback")
        protected = protected and not path.startswith("/api/data-deletion/")
        named = [one["name"] for one in operation.get("parameters", []) if one["in"] == "header" and one["required"]]
        assert named == (["X-Organization-Id"] if protected else []), path
        assert (operation.get("security") or None) == ([{"bearer": []}] if protected else None), path
        if protected:
            assert {"400", "401", "403", "503"} <= set(operation["responses"]), path


async def test_errors_are_described_as_problems(document: Any) -> None:
    """Every error is a problem by its media type; the framework's own shapes are nowhere."""
    for path, _, operation in operations(document):
        for status, answer in operation["responses"].items():
            if status.startswith("4") or status.startswith("5"):
                (content,) = answer["content"].items()
                assert content[0] == "application/problem+json", path
                assert content[1]["schema"] == {"$ref": "#/components/schemas/Problem"}, path
                assert content[1]["example"]["status"] == int(status)
        filtered = any(one["in"] == "query" for one in operation.get("parameters", [])) and "/webhooks/" not in path
        told = "requestBody" in operation and "/webhooks/" not in path
        told = told or "/templates" in path  # not every platform has them
        assert ("422" in operation["responses"]) == (filtered or told), path
    assert "ValidationError" not in json.dumps(document)


async def test_references_lead_somewhere(document: Any) -> None:
    """Every $ref of the document is in it."""
    for reference in set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document))):
        target = document
        for step in reference.split("/"):
            target = target[step]


async def test_the_specification_s_webhook_is_an_example(document: Any) -> None:
    """The generic envelope is shown as the specification prints it."""
    body = document["paths"]["/api/webhooks/{provider}"]["post"]["requestBody"]["content"]["application/json"]
    assert body["examples"]["generic"]["value"] == {
        "eventType": "message",
        "data": {"from": "+1234567890", "to": "+0987654321", "text": "Hello", "messageId": "msg-123"},
    }


async def test_the_examples_of_what_can_be_sent_can_be_sent(document: Any) -> None:
    """Each is read by the contract that it documents."""
    body = document["paths"]["/api/messages"]["post"]["requestBody"]["content"]["application/json"]
    assert body["examples"]
    for example in body["examples"].values():
        read_message(example["value"])
    assert "interactive" in document["components"]["schemas"]["OutboundMessage"]["properties"]


async def test_examples_keep_their_nulls(document: Any) -> None:
    """An example shows fields that may be null."""
    answer = document["paths"]["/api/messages/{messageId}"]["get"]["responses"]["200"]
    assert answer["content"]["application/json"]["example"] == examples.MESSAGE


async def test_the_page_stands_alone(api: Client, document: Any) -> None:
    """/docs shows every operation, and neither loads nor runs anything: its policy forbids it, and it does not try."""
    answer = await api.get("/docs", headers={})
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert not re.search(r"<script|<link|<img|<iframe|src=|style=|\son\w+=|href=\"(?!#|/openapi)", answer.text)
    assert 'href="/openapi.json"' in answer.text
    for path, _, operation in operations(document):
        assert html.escape(path) in answer.text
        assert html.escape(operation["summary"]) in answer.text
        assert f'id="{operation["operationId"]}"' in answer.text


async def test_the_page_s_style_is_the_one_that_its_policy_allows(api: Client) -> None:
    """The hash in the policy is that of the style sheet, byte for byte."""
    answer = await api.get("/docs", headers={})
    (style,) = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    named = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"'sha256-{named}'" in answer.headers["Content-Security-Policy"]


def test_the_examples_are_plausible() -> None:
    """Ids of examples are UUIDs and times carry a zone, as in real answers."""
    assert UUID(examples.MESSAGE["id"]).version == 7
    assert datetime.fromisoformat(examples.MESSAGE["createdAt"]).tzinfo == UTC

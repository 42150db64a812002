"""/api/integrations/{accountId}/templates: the message templates of an account whose platform has them."""

from typing import Annotated, Any, Literal

import fastapi
from fastapi import APIRouter, Request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from hookline.domain.ids import parse_id
from hookline.domain.template import DELETED, NewTemplate
from hookline.services import shapes
from hookline.services.templates import TemplateWriter, find_account, find_template, request_sync
from hookline.store import templates
from hookline.store.pool import organization_transaction
from hookline.store.templates import Filter
from hookline.web import examples, models
from hookline.web.answers import Json, page
from hookline.web.caller import Caller, Context, Manager, Member
from hookline.web.described import answers, body_of
from hookline.web.query import DEFAULT_LIMIT, MAX_LIMIT, IdCursor, Query, Text
from hookline.web.validation import read_body

router = APIRouter(prefix="/api/integrations/{accountId}/templates", tags=["Templates"])


def _upper(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


Capitals = Annotated[Text, BeforeValidator(_upper)]


class TemplateQuery(Query):
    """What a list of templates can be narrowed to."""

    name: Text | None = Field(None, description="Only this name.")
    language: Text | None = Field(None, description="Only this language, such as en_US.")
    category: Capitals | None = Field(None, description="Only this category; either case.")
    status: Capitals | None = Field(
        None, description="Only in this status; either case. DELETED ones are listed only if they are asked for."
    )
    limit: int = Field(DEFAULT_LIMIT, ge=1, le=MAX_LIMIT, description="How many at most.")
    cursor: IdCursor | None = Field(None, description="The `nextCursor` of the page before.")


class DeleteQuery(Query):
    """What is deleted of a template."""

    language: Text | None = Field(None, description="Only in this language.")


class TemplateBody(BaseModel):
    """A template to create."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel)

    name: Text = Field(description="Small letters, digits and underscores.")
    language: Text = Field(description="Such as en or en_US.")
    category: Capitals = Field(description="MARKETING, UTILITY or AUTHENTICATION.")
    components: list[dict[str, Any]] = Field(description="In the platform's own words.", max_length=20)
    parameter_format: Annotated[Literal["POSITIONAL", "NAMED"], BeforeValidator(_upper)] = "POSITIONAL"
    allow_category_change: bool | None = Field(None, description="Whether the platform may choose another category.")


@router.get(
    "",
    summary="List templates",
    responses=answers(
        200, models.TemplatePage, examples.page(examples.TEMPLATE), "Templates, the latest first", 404, 422
    ),
    response_class=Json,
)
async def list_templates(
    accountId: str, context: Context, caller: Member, query: Annotated[TemplateQuery, fastapi.Query()]
) -> Json:
    """List an account's templates as they are known here: by synchronizing, and by what the platform tells since.

    The latest that we learned of come first. An account's `templatesSyncedAt` says when they were read last.
    """
    async with organization_transaction(context.pool, caller.organization_id) as connection:
        account, _ = await find_account(connection, context.providers, caller.organization_id, parse_id(accountId))
        chosen = Filter(
            account_id=account.id,
            name=query.name,
            language=query.language,
            category=query.category,
            status=query.status,
            gone=None if query.status is not None else False,
        )
        rows = await templates.list_page(
            connection, caller.organization_id, chosen, before=query.cursor, limit=query.limit + 1
        )
    return page(rows, query.limit, shapes.template, lambda row: row.id)


@router.post(
    "",
    summary="Create a template",
    status_code=201,
    responses=answers(
        201,
        models.Template,
        examples.NEW_TEMPLATE,
        "Created, as a rule to be reviewed",
        *(404, 409, 413, 422, 502, 504),
    ),
    response_class=Json,
    openapi_extra=body_of(TemplateBody, examples.TEMPLATE_BODY),
)
async def create_template(accountId: str, request: Request, context: Context, caller: Manager) -> Json:
    """Create a template at the platform, which reviews it: its status tells what came of that.

    Needs the role OWNER, ADMIN or MANAGER. What the platform certainly refuses is refused here, with every place; what
    else it refuses is told in its own words, with its code (`platformCode`).
    """
    body = await read_body(request, TemplateBody)
    new = NewTemplate(**body.model_dump())
    made = await _writer(context, caller).create(parse_id(accountId), new)
    return Json(shapes.template(made), 201)


@router.get(
    "/{template}",
    summary="Get a template",
    responses=answers(200, models.Template, examples.TEMPLATE, "The template", 404, 422),
    response_class=Json,
)
async def get_template(accountId: str, template: str, context: Context, caller: Member) -> Json:
    """Get one template in one language by its `id`, as it is known here; also one that is DELETED."""
    async with organization_transaction(context.pool, caller.organization_id) as connection:
        account, _ = await find_account(connection, context.providers, caller.organization_id, parse_id(accountId))
        row = await find_template(connection, account, parse_id(template))
    return Json(shapes.template(row))


@router.delete(
    "/{template}",
    summary="Delete a template",
    responses=answers(
        200,
        models.TemplateList,
        {"items": [examples.TEMPLATE | {"status": DELETED}], "nextCursor": None},
        "Deleted; what was known of it",
        *(404, 409, 422, 502, 504),
    ),
    response_class=Json,
)
async def delete_template(
    accountId: str,
    template: Text,
    context: Context,
    caller: Manager,
    query: Annotated[DeleteQuery, fastapi.Query()],
) -> Json:
    """Delete a template at the platform: by its name in all languages, or in the one that is given; or one by its `id`.

    Needs the role OWNER, ADMIN or MANAGER. The platform keeps a name that was deleted for a while.
    """
    gone = await _writer(context, caller).delete(parse_id(accountId), template, query.language)
    return Json({"items": [shapes.template(row) for row in gone], "nextCursor": None})


@router.post(
    "/sync",
    summary="Read an account's templates again",
    status_code=202,
    responses=answers(202, models.Job, examples.SYNC_TEMPLATES_JOB, "The job that does it", 404, 409, 422),
    response_class=Json,
)
async def sync_templates(accountId: str, context: Context, caller: Member) -> Json:
    """Bring all templates up to date, in the background. It happens once a day, and when an account connects."""
    async with organization_transaction(context.pool, caller.organization_id) as connection:
        job = await request_sync(connection, context.providers, caller.organization_id, parse_id(accountId))
    context.bell.ring()
    return Json(shapes.job(job), 202)


def _writer(context: Context, caller: Caller) -> TemplateWriter:
    return TemplateWriter(
        context.pool, context.vault, context.providers, context.http, context.platforms, caller.organization_id
    )

"""The table templates: an account's message templates, one row a name and language.

What is known of a template comes by lists of the platform, by its notices and by its refusals, in any order. Each part
of a row is as of a moment, and nothing older changes it: so the order does not matter, nor whether it comes twice.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from hookline.domain.ids import new_id
from hookline.domain.template import DELETED, Definition, TemplateChange
from hookline.domain.text import to_json
from hookline.store.pages import Filter as PageFilter
from hookline.store.pages import Listed, fetch_page
from hookline.store.pool import Connection

TemplateKey = tuple[UUID, str, str]


class StoredTemplate(msgspec.Struct, frozen=True, kw_only=True):
    """A row. `components` is JSON text; None: not known."""

    id: UUID
    organization_id: str
    connected_account_id: UUID
    name: str
    language: str
    external_id: str | None
    category: str | None
    status: str | None
    components: str | None
    parameter_format: str | None
    quality: str | None
    rejected_reason: str | None
    synced_at: datetime | None
    created_at: datetime
    updated_at: datetime

    @property
    def key(self) -> TemplateKey:
        """What tells it from others."""
        return self.connected_account_id, self.name, self.language

    @property
    def definition(self) -> Definition:
        """The template as its platform's rules look at it."""
        return Definition(
            name=self.name,
            language=self.language,
            external_id=self.external_id,
            category=self.category,
            status=self.status,
            components=None if self.components is None else msgspec.json.decode(self.components),
            parameter_format=self.parameter_format,
            quality=self.quality,
            rejected_reason=self.rejected_reason,
        )


_COLUMNS: Final = ", ".join(StoredTemplate.__struct_fields__)


def _template(record: Any) -> StoredTemplate:
    return msgspec.convert(dict(record), StoredTemplate, strict=False)


class Filter(PageFilter, frozen=True, kw_only=True):
    """What a list of templates is narrowed to. gone: whether they were deleted."""

    name: str | None = None
    language: str | None = None
    category: str | None = None
    status: str | None = None
    gone: bool | None = None


_LISTED: Final = Listed(
    "templates",
    {
        "account_id": "connected_account_id = {}",
        "name": "name = {}",
        "language": "language = {}",
        "category": "category = {}",
        "status": "status = {}",
        "gone": f"(coalesce(status, '') = '{DELETED}') = {{}}",
    },
)


async def list_page(
    connection: Connection, organization_id: str, chosen: Filter, *, before: UUID | None, limit: int
) -> list[StoredTemplate]:
    """List templates, the latest that we learned of first."""
    records = await fetch_page(
        connection, _LISTED, _COLUMNS, chosen, organization_id=organization_id, before=before, limit=limit
    )
    return [_template(record) for record in records]


_FIND = f"""
SELECT {", ".join("t." + name for name in StoredTemplate.__struct_fields__)}
FROM unnest($1::uuid[], $2::text[], $3::text[]) AS k(account, name, language)
JOIN templates t ON t.connected_account_id = k.account AND t.name = k.name AND t.language = k.language
"""  # noqa: S608 - constants only, here and below


_LOCK = f"{_FIND} ORDER BY t.connected_account_id, t.name, t.language FOR UPDATE OF t"


async def find(
    connection: Connection, keys: Iterable[TemplateKey], *, lock: bool = False
) -> dict[TemplateKey, StoredTemplate]:
    """Read templates by account, name and language; lock: nobody else changes them until the transaction ends."""
    columns = list(map(list, zip(*sorted(set(keys)), strict=True)))
    records = await connection.fetch(_LOCK if lock else _FIND, *columns) if columns else []
    return {row.key: row for row in map(_template, records)}


_GET = f"SELECT {_COLUMNS} FROM templates WHERE organization_id = $1 AND id = $2 AND connected_account_id = $3"  # noqa: S608


async def get(
    connection: Connection, organization_id: str, account_id: UUID, template_id: UUID
) -> StoredTemplate | None:
    """Read one template of an account by its id here."""
    record = await connection.fetchrow(_GET, organization_id, template_id, account_id)
    return None if record is None else _template(record)


_OF_NAME = f"SELECT {_COLUMNS} FROM templates WHERE connected_account_id = $1 AND name = $2 ORDER BY language"  # noqa: S608


async def of_name(connection: Connection, account_id: UUID, name: str) -> list[StoredTemplate]:
    """Read a template in all its languages."""
    return [_template(record) for record in await connection.fetch(_OF_NAME, account_id, name)]


# Made anew under the name and language of one that was deleted: nothing of that one counts. Only its maker knows.
_ANOTHER: Final = "($5 AND t.external_id IS DISTINCT FROM excluded.external_id)"
# $3: when it was asked for. $4: as of when it holds.
_KEEP = f"""
INSERT INTO templates AS t
    (id, organization_id, connected_account_id, name, language, external_id, category, status, components,
     parameter_format, quality, rejected_reason, category_at, status_at, components_at, quality_at, synced_at)
SELECT id, $1, $2, name, language, external_id, category, status, components::json, parameter_format, quality,
    rejected_reason, $4, $4, $4, $4, $3
FROM unnest($6::uuid[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[],
    $14::text[], $15::text[])
    AS n(id, name, language, external_id, category, status, components, parameter_format, quality, rejected_reason)
ORDER BY name, language
ON CONFLICT (connected_account_id, name, language) DO UPDATE SET
    external_id = excluded.external_id,
    parameter_format = excluded.parameter_format,
    components = excluded.components,
    components_at = greatest(t.components_at, $4),
    category = CASE WHEN t.category_at <= $4 OR {_ANOTHER} THEN excluded.category ELSE t.category END,
    category_at = CASE WHEN {_ANOTHER} THEN $4 ELSE greatest(t.category_at, $4) END,
    quality = CASE WHEN t.quality_at <= $4 OR {_ANOTHER} THEN excluded.quality ELSE t.quality END,
    quality_at = CASE WHEN {_ANOTHER} THEN $4 ELSE greatest(t.quality_at, $4) END,
    status = CASE WHEN t.status_at <= $4 OR {_ANOTHER} THEN excluded.status ELSE t.status END,
    rejected_reason = CASE WHEN t.status_at <= $4 OR {_ANOTHER} THEN excluded.rejected_reason
                           ELSE t.rejected_reason END,
    status_at = CASE WHEN {_ANOTHER} THEN $4 ELSE greatest(t.status_at, $4) END,
    synced_at = $3,
    updated_at = now()
WHERE t.synced_at IS NULL OR t.synced_at <= $3
RETURNING {_COLUMNS}
"""  # noqa: S608


async def keep(
    connection: Connection,
    organization_id: str,
    account_id: UUID,
    listed: Sequence[Definition],
    *,
    asked_at: datetime,
    as_of: datetime,
    new: bool = False,
) -> list[StoredTemplate]:
    """Keep what the platform said of templates when it was asked at `asked_at`; it yields to news of after `as_of`.

    new: the platform has just made them. What was asked for later already stays as it is, and is not given.
    """
    columns = [
        [new_id() for _ in listed],
        *([getattr(one, name) for one in listed] for name in ("name", "language", "external_id", "category", "status")),
        [None if one.components is None else to_json(one.components) for one in listed],
        *([getattr(one, name) for one in listed] for name in ("parameter_format", "quality", "rejected_reason")),
    ]
    records = await connection.fetch(_KEEP, organization_id, account_id, asked_at, as_of, new, *columns)
    return [_template(record) for record in records]


_MISS = f"""
UPDATE templates SET status = '{DELETED}', status_at = $3, updated_at = now()
WHERE connected_account_id = $1 AND coalesce(synced_at, '-infinity') < $2
  AND status IS DISTINCT FROM '{DELETED}' AND status_at <= $3 AND created_at <= $3
RETURNING {_COLUMNS}
"""  # noqa: S608


async def miss(
    connection: Connection, account_id: UUID, *, asked_at: datetime, as_of: datetime
) -> list[StoredTemplate]:
    """Mark as DELETED what was not in the whole list that was asked for at `asked_at`, and is no news since `as_of`."""
    return [_template(record) for record in await connection.fetch(_MISS, account_id, asked_at, as_of)]


class Noted(msgspec.Struct, kw_only=True):
    """All that a batch of notices says of one template; each part with the moment of the latest one that says it."""

    organization_id: str
    connected_account_id: UUID
    name: str
    language: str
    external_id: str | None = None
    status: str | None = None
    rejected_reason: str | None = None
    status_at: datetime | None = None
    quality: str | None = None
    quality_at: datetime | None = None
    category: str | None = None
    category_at: datetime | None = None
    components_at: datetime | None = None

    def add(self, change: TemplateChange, at: datetime) -> None:
        """Take another notice in; of two of the same moment, the one that came later."""
        self.external_id = change.external_id or self.external_id
        if change.status is not None and (self.status_at is None or at >= self.status_at):
            self.status, self.rejected_reason, self.status_at = change.status, change.rejected_reason, at
        if change.quality is not None and (self.quality_at is None or at >= self.quality_at):
            self.quality, self.quality_at = change.quality, at
        if change.category is not None and (self.category_at is None or at >= self.category_at):
            self.category, self.category_at = change.category, at
        if change.components_changed and (self.components_at is None or at >= self.components_at):
            self.components_at = at


_NOTE = f"""
INSERT INTO templates AS t
    (id, organization_id, connected_account_id, name, language, external_id, status, rejected_reason, status_at,
     quality, quality_at, category, category_at, components_at)
SELECT id, organization, account, name, language, external_id, status, reason, coalesce(status_at, '-infinity'),
    quality, coalesce(quality_at, '-infinity'), category, coalesce(category_at, '-infinity'),
    coalesce(components_at, '-infinity')
FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
    $9::timestamptz[], $10::text[], $11::timestamptz[], $12::text[], $13::timestamptz[], $14::timestamptz[])
    AS n(id, organization, account, name, language, external_id, status, reason, status_at, quality, quality_at,
         category, category_at, components_at)
ORDER BY account, name, language
ON CONFLICT (connected_account_id, name, language) DO UPDATE SET
    external_id = CASE WHEN excluded.status_at >= t.status_at THEN coalesce(excluded.external_id, t.external_id)
                       ELSE coalesce(t.external_id, excluded.external_id) END,
    status = CASE WHEN excluded.status_at >= t.status_at THEN coalesce(excluded.status, t.status) ELSE t.status END,
    rejected_reason = CASE WHEN excluded.status_at >= t.status_at AND excluded.status IS NOT NULL
                           THEN excluded.rejected_reason ELSE t.rejected_reason END,
    status_at = greatest(t.status_at, excluded.status_at),
    quality = CASE WHEN excluded.quality_at >= t.quality_at THEN coalesce(excluded.quality, t.quality)
                   ELSE t.quality END,
    quality_at = greatest(t.quality_at, excluded.quality_at),
    category = CASE WHEN excluded.category_at >= t.category_at THEN coalesce(excluded.category, t.category)
                    ELSE t.category END,
    category_at = greatest(t.category_at, excluded.category_at),
    components = CASE WHEN excluded.components_at > t.components_at THEN NULL ELSE t.components END,
    components_at = greatest(t.components_at, excluded.components_at),
    updated_at = now()
RETURNING {_COLUMNS}
"""  # noqa: S608


async def note(connection: Connection, noted: Mapping[TemplateKey, Noted]) -> list[StoredTemplate]:
    """Write down what notices say."""
    names = Noted.__struct_fields__
    rows = list(noted.values())
    columns = [[new_id() for _ in rows], *([getattr(one, name) for one in rows] for name in names)]
    return [_template(record) for record in await connection.fetch(_NOTE, *columns)]


_TURN = f"""
UPDATE templates SET status = $4, status_at = greatest(status_at, now()), updated_at = now()
WHERE connected_account_id = $1 AND name = $2 AND ($3::text IS NULL OR language = $3) AND status IS DISTINCT FROM $4
RETURNING {_COLUMNS}
"""  # noqa: S608


async def turn(
    connection: Connection, account_id: UUID, name: str, language: str | None, status: str
) -> list[StoredTemplate]:
    """Give a template another status as of now, in all its languages or in one; those that had another before."""
    return [_template(record) for record in await connection.fetch(_TURN, account_id, name, language, status)]


_DOUBT = f"""
UPDATE templates SET status = NULL, rejected_reason = NULL, components = NULL, updated_at = now()
WHERE connected_account_id = $1 AND status IS DISTINCT FROM '{DELETED}'
"""  # noqa: S608


async def doubt(connection: Connection, account_id: UUID) -> None:
    """Hold an account's templates for not known: they may have changed while nobody told us."""
    await connection.execute(_DOUBT, account_id)

"""Reading, adding and changing what is in the world. A record's JSON has the names of records.py, in camelCase."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import msgspec

from hookline.simulator import default
from hookline.simulator.control.acting import Unfit
from hookline.simulator.control.asking import Ask, ControlRoute, Missing
from hookline.simulator.records import (
    App,
    Business,
    Contact,
    InstagramAccount,
    Page,
    PhoneNumber,
    Record,
    Template,
    User,
    Waba,
)
from hookline.simulator.world import World

Completed: TypeAlias = Callable[[World, dict[str, Any]], dict[str, Any]]


class Collection(msgspec.Struct, frozen=True):
    """One kind of records: where they are, how one is added, and what is filled in where nothing is given."""

    of: type[Record]
    records: Callable[[World], Mapping[str, Record]]
    add: Callable[[World, Any], Record]
    complete: Completed


def _app(world: World, given: dict[str, Any]) -> dict[str, Any]:
    return {"id": world.ids.digits("app", 16), "secret": world.ids.token("secret", ""), "name": "Another app", **given}


def _user(world: World, given: dict[str, Any]) -> dict[str, Any]:
    return {"id": world.ids.digits("user", 17, "1015"), "name": "Somebody", **given}


def _business(world: World, given: dict[str, Any]) -> dict[str, Any]:
    return {"id": world.ids.digits("business", 14, "2"), "name": "A business", **given}


def _page(world: World, given: dict[str, Any]) -> dict[str, Any]:
    roles = {default.OWNER: default.ALL_TASKS}
    return {
        "id": world.ids.digits("page", 14, "3"),
        "name": "A page",
        "businessId": default.BUSINESS,
        "roles": roles,
        **given,
    }


def _instagram(world: World, given: dict[str, Any]) -> dict[str, Any]:
    number = world.ids.digits("instagram", 17, "17841")
    return {
        "id": number,
        "appScopedId": "251" + number[3:],
        "username": f"account.{number[-4:]}",
        "name": "An account",
        "owners": [default.OWNER],
        **given,
    }


def _waba(world: World, given: dict[str, Any]) -> dict[str, Any]:
    filled = {"name": "A WhatsApp account", "businessId": default.BUSINESS, "admins": [default.OWNER]}
    return {"id": world.ids.digits("waba", 14, "4"), **filled, **given}


def _phone_number(world: World, given: dict[str, Any]) -> dict[str, Any]:
    digits = given.get("digits") or world.ids.digits("number", 11, "1555")
    return {
        "id": world.ids.digits("phone", 14, "5"),
        "wabaId": default.WABA,
        "digits": digits,
        "display": f"+{digits}",
        "verifiedName": "A number",
        "registered": True,
        "status": "CONNECTED",
        **given,
    }


def _contact(world: World, given: dict[str, Any]) -> dict[str, Any]:
    name = given.get("id") or "contact-" + world.ids.digits("contact", 6)
    filled = {"id": name, "firstName": str(name).capitalize(), "lastName": "", "username": str(name)}
    return {**filled, "waId": world.ids.digits("wa_id", 11, "1555"), **given}


def _template(world: World, given: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": world.ids.digits("template", 16),
        "wabaId": default.WABA,
        "name": "a_template",
        "language": "en_US",
        "category": "UTILITY",
        "status": "APPROVED",
        "components": [{"type": "BODY", "text": "Hello"}],
        **given,
    }


COLLECTIONS: dict[str, Collection] = {
    "apps": Collection(App, lambda world: world.records.apps, World.add_app, _app),
    "users": Collection(User, lambda world: world.records.users, World.add_user, _user),
    "businesses": Collection(Business, lambda world: world.records.businesses, World.add_business, _business),
    "pages": Collection(Page, lambda world: world.records.pages, World.add_page, _page),
    "instagram-accounts": Collection(
        InstagramAccount, lambda world: world.records.instagram_accounts, World.add_instagram_account, _instagram
    ),
    "wabas": Collection(Waba, lambda world: world.records.wabas, World.add_waba, _waba),
    "phone-numbers": Collection(
        PhoneNumber, lambda world: world.records.phone_numbers, World.add_phone_number, _phone_number
    ),
    "contacts": Collection(Contact, lambda world: world.records.contacts, World.add_contact, _contact),
    "templates": Collection(Template, lambda world: world.records.templates, World.add_template, _template),
}


def read_record(collection: Collection, content: dict[str, Any]) -> Record:
    """Make a record of JSON.

    Raises: Unfit, for a name that the record does not have, or a value of the wrong type.
    """
    known = {field.encode_name for field in msgspec.structs.fields(collection.of)}
    unknown = content.keys() - known
    if unknown:
        raise Unfit(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(sorted(known))}")
    try:
        return msgspec.convert(content, collection.of)
    except msgspec.ValidationError as error:
        raise Unfit(str(error)) from None


async def everything(ask: Ask) -> dict[str, Any]:
    """The whole world, but messages, tokens and codes."""
    return {name: _listed(ask.sim.world, collection) for name, collection in COLLECTIONS.items()}


async def listed(ask: Ask) -> list[Any]:
    """All records of a collection."""
    return _listed(ask.sim.world, _collection(ask))


async def shown(ask: Ask) -> Any:
    """One record."""
    return msgspec.to_builtins(_record(ask))


async def added(ask: Ask) -> Any:
    """Add a record; what is not given is filled in. An id that is taken is replaced."""
    collection, world = _collection(ask), ask.sim.world
    record = read_record(collection, collection.complete(world, dict(ask.body)))
    return msgspec.to_builtins(collection.add(world, record))


async def changed(ask: Ask) -> Any:
    """Change some fields of a record, all at once or not at all."""
    collection, record = _collection(ask), _record(ask)
    merged = read_record(collection, {**msgspec.to_builtins(record), **ask.body})
    if getattr(merged, "id") != ask.names["id"]:  # noqa: B009 - every collection's records have one
        raise Unfit("id cannot be changed")
    for field in msgspec.structs.fields(collection.of):
        setattr(record, field.name, getattr(merged, field.name))
    ask.sim.world.index()
    return msgspec.to_builtins(record)


async def removed(ask: Ask) -> dict[str, Any]:
    """Take a record out of the world."""
    record = _record(ask)
    if isinstance(record, Contact):
        del ask.sim.world.records.contacts[record.id]
        ask.sim.world.index()
    else:
        ask.sim.world.remove(ask.names["id"])
    return {"removed": ask.names["id"]}


def _listed(world: World, collection: Collection) -> list[Any]:
    return [msgspec.to_builtins(record) for record in collection.records(world).values()]


def _collection(ask: Ask) -> Collection:
    collection = COLLECTIONS.get(ask.names["collection"])
    if collection is None:
        raise Missing(f"collections: {', '.join(COLLECTIONS)}")
    return collection


def _record(ask: Ask) -> Record:
    record = _collection(ask).records(ask.sim.world).get(ask.names["id"])
    if record is None:
        raise Missing(f"there is no {ask.names['id']}")
    return record


ROUTES = (
    ControlRoute("GET", "world", everything),
    ControlRoute("GET", "world/{collection}", listed),
    ControlRoute("POST", "world/{collection}", added),
    ControlRoute("GET", "world/{collection}/{id}", shown),
    ControlRoute("PATCH", "world/{collection}/{id}", changed),
    ControlRoute("DELETE", "world/{collection}/{id}", removed),
)

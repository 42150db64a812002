"""The world that every simulator starts with: one account or more of each platform, and people to talk to.

Its ids are fixed, so that what a developer has connected stays right from one start to the next.
"""

from hookline.simulator.options import Options
from hookline.simulator.records import (
    App,
    Business,
    Contact,
    InstagramAccount,
    LoginConfig,
    Page,
    PhoneNumber,
    Records,
    Template,
    User,
    Waba,
)

OWNER = "10150000000000001"
COLLEAGUE = "10150000000000002"
BUSINESS = "20100000000001"
PAGE = "30100000000001"
BUSINESS_PAGE = "30100000000002"
INSTAGRAM_ACCOUNT = "17841400000000001"
INSTAGRAM_OF_PAGE = "17841400000000002"
WABA = "40100000000001"
PHONE_NUMBER = "50100000000001"
SECOND_PHONE_NUMBER = "50100000000002"
COEXISTENCE_PHONE_NUMBER = "50100000000003"

ALL_TASKS = ["ADVERTISE", "ANALYZE", "CREATE_CONTENT", "MANAGE", "MESSAGING", "MODERATE"]
WHATSAPP_SCOPES = ["whatsapp_business_management", "whatsapp_business_messaging"]
# A config_id that a program may use for Embedded Signup; any other is configured by control.
EMBEDDED_SIGNUP_CONFIG = "60100000000001"


def default_records(options: Options) -> Records:
    """Make the default world for the app of the options."""
    records = Records(seed=options.seed)
    for add in (_add_app, _add_people, _add_pages, _add_whatsapp, _add_contacts):
        add(records, options)
    return records


def default_app(options: Options) -> App:
    """Make the app of the options."""
    signup = LoginConfig(id=EMBEDDED_SIGNUP_CONFIG, scopes=[*WHATSAPP_SCOPES], embedded_signup=True)
    return App(
        id=options.app_id,
        secret=options.app_secret,
        name="Hookline (development)",
        instagram_id=options.instagram_app_id,
        instagram_secret=options.instagram_app_secret,
        configs={signup.id: signup},
    )


def _add_app(records: Records, options: Options) -> None:
    records.apps[options.app_id] = default_app(options)


def _add_people(records: Records, _options: Options) -> None:
    records.users[OWNER] = User(id=OWNER, name="Olivia Owner")
    records.users[COLLEAGUE] = User(id=COLLEAGUE, name="Carl Colleague")
    records.businesses[BUSINESS] = Business(id=BUSINESS, name="Phone Store")


def _add_pages(records: Records, _options: Options) -> None:
    records.pages[PAGE] = Page(
        id=PAGE,
        name="Phone Store",
        business_id=BUSINESS,
        roles={OWNER: [*ALL_TASKS], COLLEAGUE: ["ANALYZE", "MESSAGING"]},
        instagram_id=INSTAGRAM_OF_PAGE,
    )
    records.pages[BUSINESS_PAGE] = Page(
        id=BUSINESS_PAGE, name="Phone Store Outlet", business_id=BUSINESS, roles={OWNER: [*ALL_TASKS]}
    )
    for account in (
        InstagramAccount(
            id=INSTAGRAM_ACCOUNT,
            app_scoped_id="25100000000000001",
            username="phone.store",
            name="Phone Store",
            owners=[OWNER],
        ),
        InstagramAccount(
            id=INSTAGRAM_OF_PAGE,
            app_scoped_id="25100000000000002",
            username="phone.store.page",
            name="Phone Store, by its page",
            owners=[OWNER],
            page_id=PAGE,
        ),
    ):
        records.instagram_accounts[account.id] = account


def _add_whatsapp(records: Records, _options: Options) -> None:
    records.wabas[WABA] = Waba(id=WABA, name="Phone Store", business_id=BUSINESS, admins=[OWNER])
    for phone in (
        PhoneNumber(
            id=PHONE_NUMBER,
            waba_id=WABA,
            digits="15550001001",
            display="+1 555-000-1001",
            verified_name="Phone Store",
            registered=True,
            status="CONNECTED",
        ),
        PhoneNumber(
            id=SECOND_PHONE_NUMBER,
            waba_id=WABA,
            digits="15550001002",
            display="+1 555-000-1002",
            verified_name="Phone Store Service",
        ),
        PhoneNumber(
            id=COEXISTENCE_PHONE_NUMBER,
            waba_id=WABA,
            digits="15550001003",
            display="+1 555-000-1003",
            verified_name="Phone Store, by the app",
            registered=True,
            status="CONNECTED",
            on_business_app=True,
        ),
    ):
        records.phone_numbers[phone.id] = phone
    for template in _templates():
        records.templates[template.id] = template


def _templates() -> list[Template]:
    body = {
        "type": "BODY",
        "text": "Hello {{1}}, your order {{2}} is on its way.",
        "example": {"body_text": [["Ann", "7"]]},
    }
    return [
        Template(
            id="70100000000001",
            waba_id=WABA,
            name="hello_world",
            language="en_US",
            category="UTILITY",
            status="APPROVED",
            components=[{"type": "BODY", "text": "Welcome and congratulations!"}],
        ),
        Template(
            id="70100000000002",
            waba_id=WABA,
            name="order_sent",
            language="en_US",
            category="UTILITY",
            status="APPROVED",
            components=[body],
        ),
    ]


def _add_contacts(records: Records, _options: Options) -> None:
    for contact in (
        Contact(id="ann", first_name="Ann", last_name="Archer", username="ann.archer", wa_id="15550002001"),
        Contact(
            id="joao", first_name="João", last_name="Pereira", username="joao.p", wa_id="5511900002002", country="BR"
        ),
        Contact(id="mona", first_name="منى", last_name="حسن", username="mona.h", wa_id="201000002003", country="EG"),
        Contact(
            id="hidden",
            first_name="Hildegard",
            last_name="Hidden",
            username="hildegard",
            wa_id="4915500002004",
            country="DE",
            phone_hidden=True,
        ),
        Contact(id="closed", first_name="Claude", last_name="Closed", username="claude.c", profile_open=False),
    ):
        records.contacts[contact.id] = contact

"""Every shared sample of a request to send: the same content, said in our contract, is built into the same body.

Compared in meaning: what the vendor takes for granted is filled in on both sides, placeholders are one word.
"""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from hookline.domain.account import IntegrationProvider
from hookline.domain.capability import check
from hookline.domain.outbound import read_message
from hookline.domain.sending import SendingAccount
from hookline.providers import PROVIDERS

FOLDER = Path(__file__).resolve().parents[2].parent / "shared" / "payloads"
ACCOUNT = UUID("0198c0de-0000-7000-8000-000000000001")
MESSAGE = UUID("0198c0de-0000-7000-8000-000000000003")
SENDER = PROVIDERS[IntegrationProvider.WHATSAPP].sender
NUMBER = SendingAccount(
    id=ACCOUNT,
    organization_id="org-1",
    provider=IntegrationProvider.WHATSAPP,
    external_account_id="106540352242922",
    metadata={},
)

URL = "https://example.org/file"
FLOW = {
    "type": "flow",
    "name": "{{Flow-Name}}",
    "token": "<FLOW_TOKEN>",
    "screen": "<SCREEN_ID>",
    "data": {"<CUSTOM_KEY>": "<CUSTOM_VALUE>"},
}
MONEY = {"fallbackValue": "$100.99", "code": "USD", "amount1000": 100990}
FEBRUARY = {
    "fallbackValue": "February 25, 1977",
    "dayOfWeek": 5,
    "year": 1977,
    "month": 2,
    "dayOfMonth": 25,
    "hour": 15,
    "minute": 33,
    "calendar": "GREGORIAN",
}
TEXT_MONEY_AND_DATE = {
    "type": "body",
    "parameters": [
        {"type": "text", "text": "text-string"},
        {"type": "currency", "currency": MONEY},
        {"type": "date_time", "dateTime": FEBRUARY},
    ],
}


def template(name: str, *components: Any, language: str = "en_US", **more: Any) -> dict[str, Any]:
    """A template in our words."""
    filled = {"components": list(components)} if components else {}
    return {"type": "template", "template": {"name": name, "language": language, **filled, **more}}


def interactive(kind: str, **more: Any) -> dict[str, Any]:
    """An interactive message in our words."""
    return {"type": "interactive", "interactive": {"type": kind, **more}}


def buttons(header: dict[str, Any], titles: list[str], body: str) -> dict[str, Any]:
    """The buttons of two of the samples."""
    choices = [{"id": str(1278454 + number), "title": title} for number, title in enumerate(titles)]
    return interactive("buttons", header=header, body=body, footer="Choose an option:", buttons=choices)


def quick_reply(index: int, **parameter: str) -> dict[str, Any]:
    """A button of a template."""
    return {"type": "button", "subType": "quick_reply", "index": index, "parameters": [parameter]}


# The sample's name → the same in our contract, without account and recipient.
OURS: dict[str, dict[str, Any]] = {
    "expectedMessage1": {"type": "text", "text": "*Hello world!*\nSome code here: \n```hello world code here```"},
    "expectedMessage5": template(
        "marketing_music_2",
        {"type": "header", "parameters": [{"type": "image", "image": {"mediaId": "3196424913981611"}}]},
        {
            "type": "body",
            "parameters": [
                {
                    "type": "date_time",
                    "dateTime": {
                        "fallbackValue": "May 10th, 2023",
                        "calendar": "GREGORIAN",
                        "month": 3,
                        "hour": 10,
                        "year": 2023,
                        "dayOfMonth": 26,
                        "dayOfWeek": 1,
                        "minute": 50,
                    },
                },
                {"type": "currency", "currency": {"fallbackValue": "$35", "code": "USD", "amount1000": 30000}},
            ],
        },
        quick_reply(0, type="payload", payload="OP_SHN_454584"),
        quick_reply(1, type="payload", payload="OP_SPR_454585"),
    ),
    "expectedMessage7": {"type": "audio", "audio": {"mediaId": "4545454545454"}},
    "expectedMessage8": template(
        "video_tm",
        {"type": "header", "parameters": [{"type": "video", "video": {"mediaId": "4548775454857854"}}]},
        {"type": "body", "parameters": [{"type": "text", "text": "Mauricio Binda"}]},
    ),
    "expectedMessage10": {
        "type": "contacts",
        "contacts": [
            {
                "name": {"firstName": "Mauricio", "formattedName": "Mauricio Binda"},
                "birthday": "1900-01-01",
                "emails": [{"type": "HOME", "email": "mauriciobinda@hotmail.com"}],
                "addresses": [
                    {
                        "zip": "10011",
                        "country": "United States",
                        "countryCode": "US",
                        "city": "New York",
                        "street": "47 W 13th St",
                        "state": "NY",
                        "type": "WORK",
                    }
                ],
                "urls": [{"type": "WORK", "url": "https://www.google.com"}],
                "org": {"company": "My company", "department": "IT", "title": "Org title"},
                "phones": [{"phone": "121212121212", "type": "IPHONE"}],
            }
        ],
    },
    "expectedMessage14": buttons(
        {"image": {"url": URL}},
        ["YES", "NO", "CHANGE"],
        "Would you like to confirm your appointment for tomorrow?",
    ),
    "expectedMessage15": buttons({"video": {"url": URL}}, ["YES", "NO"], "Do you like this video?"),
    "expectedMessage17": {"type": "read", "read": {"messageId": "123456"}},
    "request_Parameterized_Template": template(
        "promotional_offer",
        {
            "type": "body",
            "parameters": [
                {"type": "text", "text": "John Doe"},
                {"type": "currency", "currency": {"fallbackValue": "$25.00", "code": "USD", "amount1000": 25000}},
            ],
        },
        language="en",
        marketing={"productPolicy": "STRICT", "messageActivitySharing": False},
    ),
    "request_Simple_Template_Message": template("hello_world", language="en", marketing={}),
    "request_Send_Audio_Message_by_ID": {"type": "audio", "audio": {"mediaId": "<AUDIO_OBJECT_ID>"}},
    "request_Send_Audio_Message_by_URL": {"type": "audio", "audio": {"url": URL}},
    "request_Send_Catalog_Template_Message": template(
        "intro_catalog_offer",
        {
            "type": "body",
            "parameters": [{"type": "text", "text": text} for text in ("100", "400", "3")],
        },
        {
            "type": "button",
            "subType": "catalog",
            "index": 0,
            "parameters": [{"type": "action", "action": {"thumbnail_product_retailer_id": "2lc20305pt"}}],
        },
    ),
    "request_Send_Draft_Flow_by_Name": {
        "type": "interactive",
        "interactive": {
            **FLOW,
            "mode": "draft",
            "header": {"text": "Not shown in draft mode"},
            "body": "Not shown in draft mode",
            "footer": "Not shown in draft mode",
            "cta": "Not shown in draft mode",
        },
    },
    "request_Send_Flow_Template_Message": template(
        "<TEMPLATE_NAME>",
        {
            "type": "button",
            "subType": "flow",
            "index": 0,
            "parameters": [
                {
                    "type": "action",
                    "action": {
                        "flow_token": "<FLOW_TOKEN>",
                        "flow_action_data": {"<CUSTOM_KEY>": "<CUSTOM_VALUE>"},
                    },
                }
            ],
        },
    ),
    "request_Send_Image_Message_by_URL": {"type": "image", "image": {"url": URL}},
    "request_Send_Message_Template_Media": template(
        "template-name",
        {"type": "header", "parameters": [{"type": "image", "image": {"url": URL}}]},
        TEXT_MONEY_AND_DATE,
        language="language-and-locale-code",
    ),
    "request_Send_Message_Template_Text": template(
        "template-name", TEXT_MONEY_AND_DATE, language="language-and-locale-code"
    ),
    "request_Send_Multi_Product_Message": interactive(
        "product_list",
        header={"text": "<YOUR_TEXT_HEADER_CONTENT>"},
        body="<YOUR_TEXT_BODY_CONTENT>",
        footer="<YOUR_TEXT_FOOTER_CONTENT>",
        catalogId="146265584024623",
        sections=[
            {
                "title": "<SECTION1_TITLE>",
                "products": ["<YOUR_PRODUCT1_SKU_IN_CATALOG>", "<YOUR_SECOND_PRODUCT1_SKU_IN_CATALOG>"],
            },
            {
                "title": "<SECTION2_TITLE>",
                "products": ["<YOUR_PRODUCT2_SKU_IN_CATALOG>", "<YOUR_SECOND_PRODUCT2_SKU_IN_CATALOG>"],
            },
        ],
    ),
    "request_Send_Order_Details_Message": interactive(
        "order_details",
        header={"image": {"url": URL}},
        body="your-text-body-content",
        footer="your-text-footer-content",
        parameters={
            "reference_id": "unique-reference-id",
            "type": "digital-goods",
            "payment_type": "upi",
            "payment_configuration": "my-payment-config-name",
            "currency": "INR",
            "total_amount": {"offset": 100, "value": 1100},
            "order": {
                "status": "pending",
                "items": [
                    {
                        "name": "bread",
                        "retailer_id": "1234567",
                        "quantity": 1,
                        "amount": {"offset": 100, "value": 1500},
                        "sale_amount": {"offset": 100, "value": 1000},
                    }
                ],
                "subtotal": {"offset": 100, "value": 1000},
                "tax": {"offset": 100, "value": 100, "description": "optional_text"},
                "shipping": {"offset": 100, "value": 100, "description": "optional_text"},
                "discount": {
                    "offset": 100,
                    "value": 100,
                    "description": "optional_text",
                    "discount_program_name": "optional_text",
                },
            },
        },
    ),
    "request_Send_Published_Flow_by_Name": {
        "type": "interactive",
        "interactive": {
            **FLOW,
            "header": {"text": "<HEADER_TEXT>"},
            "body": "<BODY_TEXT>",
            "footer": "<FOOTER_TEXT>",
            "cta": "Open Flow!",
        },
    },
    "request_Send_Reply_to_Audio_Message_by_ID": {
        "type": "audio",
        "audio": {"mediaId": "<AUDIO_OBJECT_ID>"},
        "replyTo": "<MSGID_OF_MSG_YOU_ARE_REPLYING_TO>",
    },
    "request_Send_Reply_to_Document_Message_by_ID": {
        "type": "document",
        "document": {
            "mediaId": "<DOCUMENT_OBJECT_ID>",
            "caption": "<DOCUMENT_CAPTION_TO_SEND>",
            "filename": "<DOCUMENT_FILENAME>",
        },
        "replyTo": "<MSGID_OF_MSG_YOU_ARE_REPLYING_TO>",
    },
    "request_Send_Reply_to_Document_Message_by_URL": {
        "type": "document",
        "document": {"url": URL, "caption": "<DOCUMENT_CAPTION_TEXT>"},
        "replyTo": "<MSGID_OF_MSG_YOU_ARE_REPLYING_TO>",
    },
    "request_Send_Reply_to_Image_Message_by_URL": {
        "type": "image",
        "image": {"url": URL},
        "replyTo": "<MSGID_OF_PREV_MSG>",
    },
    "request_Send_Reply_to_Sticker_Message_by_ID": {
        "type": "sticker",
        "sticker": {"mediaId": "<MEDIA_OBJECT_ID>"},
        "replyTo": "<MSGID_OF_MSG_YOU_ARE_REPLYING_TO>",
    },
    "request_Send_Reply_to_Text_Message": {
        "type": "text",
        "text": "<TEXT_MSG_CONTENT>",
        "replyTo": "<MSGID_OF_PREV_MSG>",
    },
    "request_Send_Reply_to_Video_Message_by_ID": {
        "type": "video",
        "video": {"mediaId": "<VIDEO_OBJECT_ID>", "caption": "<VIDEO_CAPTION_TEXT>"},
        "replyTo": "<MSGID_OF_MSG_YOU_ARE_REPLYING_TO>",
    },
    # The sample gives booleans as a text's value; a text is a text.
    "request_Send_Sample_Issue_Resolution_Template": template(
        "sample_issue_resolution",
        {"type": "body", "parameters": [{"type": "text", "text": "*Mr. Jones*"}]},
        quick_reply(0, type="text", text="true"),
        quick_reply(1, type="text", text="false"),
    ),
    "request_Send_Single_Product_Message": interactive(
        "product",
        catalogId="367025965434465",
        productId="<ID_TEST_ITEM_1>",
        body="<OPTIONAL_BODY_TEXT>",
        footer="<OPTIONAL_FOOTER_TEXT>",
    ),
    "request_Send_Test_Message": template("hello_world"),
    "request_Send_Text_Message": {"type": "text", "text": "text-message-content"},
    "request_Send_Text_Message_with_Preview_URL": {
        "type": "text",
        "text": "Please visit https://youtu.be/hpltvTEiRrY.",
        "previewUrl": True,
    },
    "request_Send_Video_Message_by_URL": {
        "type": "video",
        "video": {"url": URL, "caption": "<VIDEO_CAPTION_TEXT>"},
    },
    "request_Send_typing_indicator_and_read_receipt": {
        "type": "typing",
        "typing": {"messageId": "wamid.HBgLMTY1MDM4Nzk0MzkVAgASGBQzQUYzMjEzNDM2RTZGQ0MzMDJBRgA="},
    },
}
NOT_MESSAGES = {"expectedMessage18"}  # registers a number


def samples() -> list[Path]:
    """The shared requests that send something."""
    found = [path for path in FOLDER.rglob("request_*.json") if path.parent.name.endswith("messages")]
    found += FOLDER.rglob("expectedMessage*.json")
    return [path for path in sorted(found) if "message_templates" not in path.parent.name]


def in_meaning(body: dict[str, Any]) -> Any:
    """Fill in what the vendor takes for granted; drop the address and our own mark."""
    body = {"recipient_type": "individual", **body}
    if "text" in body:
        body["text"] = {"preview_url": False, **body["text"]}
        body["type"] = "text"
    if "status" in body:
        del body["recipient_type"]
    for name in ("to", "recipient", "biz_opaque_callback_data"):
        body.pop(name, None)
    return _plain("", body)


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(key, member) for key, member in value.items() if key != "policy"}
    if isinstance(value, list):
        return [_plain(name, one) for one in value]
    if name == "link":
        return "a link"
    if name == "index":
        return int(value)
    if name in ("sub_type", "type") or isinstance(value, bool):
        return "text" if value == "<HEADER_TYPE>" else str(value).lower()
    return value


def built(content: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Check and build a message of ours: path and body."""
    message = read_message({"accountId": str(ACCOUNT), "to": "+16505551234", **content})
    check(message, SENDER.capabilities, "WHATSAPP")
    SENDER.check(message)
    call = SENDER.build(message, NUMBER, MESSAGE)
    return call.path, call.body


@pytest.mark.parametrize(
    "path",
    samples() or [pytest.param(None, marks=pytest.mark.skip(reason="the shared payload samples are not here"))],
    ids=lambda path: path.stem if path else "none",
)
def test_a_request_is_built_as_the_sample_has_it(path: Path) -> None:
    """Each sample is expected by name, so that none is passed over."""
    if path.stem in NOT_MESSAGES:
        return
    sample = json.loads(path.read_text())
    where, body = built(OURS[path.stem])
    assert in_meaning(body) == in_meaning(sample)
    assert where == f"106540352242922/{'marketing_messages' if 'marketing' in path.parent.name else 'messages'}"
    if "to" in body:
        assert body["biz_opaque_callback_data"] == str(MESSAGE)


@pytest.mark.parametrize(
    "path",
    [path for path in samples() if json.loads(path.read_text()).get("type") == "template"]
    or [pytest.param(None, marks=pytest.mark.skip(reason="the shared payload samples are not here"))],
    ids=lambda path: path.stem if path else "none",
)
def test_the_vendors_own_spelling_of_a_template_is_understood(path: Path) -> None:
    """A template can be pasted from the vendor's documentation."""
    text = path.read_text().replace("http(s)://", "https://").replace("true", '"true"').replace("false", '"false"')
    sample = json.loads(text)
    _, body = built({"type": "template", "template": sample["template"]})
    assert in_meaning(body)["template"] == in_meaning(sample)["template"]


@pytest.mark.parametrize("name", [name for name in OURS if "Template" not in name and "expected" not in name])
def test_a_sample_can_be_sent_raw(name: str) -> None:
    """The vendor's own body goes out as it is, but for the address and our mark."""
    _, body = built(OURS[name])
    if "to" not in body:
        return
    content = {key: value for key, value in body.items() if key not in ("to", "biz_opaque_callback_data")}
    _, raw = built({"type": "raw", "raw": content})
    assert raw == body

"""/docs: the OpenAPI document as one page that loads nothing from anywhere."""

import base64
import hashlib
import json
from collections.abc import Iterator
from html import escape
from string import Template
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

router = APIRouter()

STYLE: Final = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1.5rem; }
code, pre { font: 14px/1.45 ui-monospace, monospace; }
pre { background: var(--soft); padding: .75rem; overflow-x: auto; border-radius: 6px; }
details { border: 1px solid var(--line); border-radius: 6px; margin: .5rem 0; padding: .5rem .75rem; }
summary { cursor: pointer; }
summary b { display: inline-block; min-width: 4.5rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .25rem .5rem; border-top: 1px solid var(--line); }
h3 { margin: 1rem 0 .25rem; font-size: 1rem; }
"""

# The one style sheet is named by its hash; no script, no font, no image, no frame, no form.
POLICY: Final = (
    "default-src 'none'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_PAGE: Final = Template("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>$style</style>
</head>
<body>
<h1>$title</h1>
$description
<p>For programs: <a href="/openapi.json">the OpenAPI document</a>.</p>
$sections
</body>
</html>
""")

_OPERATION: Final = Template("""\
<details id="$id">
<summary><b>$method</b> <code>$path</code> $summary</summary>
$description
$parameters
$body
<h3>Answers</h3>
$answers
</details>
""")


@router.get("/docs", include_in_schema=False)
async def docs(request: Request) -> HTMLResponse:
    """Show every operation with its parameters, bodies, answers and examples."""
    return HTMLResponse(render(request.app.openapi()), headers={"Content-Security-Policy": POLICY})


def render(document: dict[str, Any]) -> str:
    """Write an OpenAPI document as HTML."""
    return _PAGE.substitute(
        title=escape(document["info"]["title"]),
        style=STYLE,
        description=_paragraphs(document["info"]["description"]),
        sections="\n".join(_section(document, tag) for tag in document["tags"]),
    )


def _section(document: dict[str, Any], tag: dict[str, str]) -> str:
    operations = "\n".join(
        _operation(path, method, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if tag["name"] in operation["tags"]
    )
    return f"<h2>{escape(tag['name'])}</h2>\n<p>{escape(tag['description'])}</p>\n{operations}"


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    content = operation.get("requestBody", {}).get("content", {})
    return _OPERATION.substitute(
        id=escape(operation["operationId"]),
        method=escape(method.upper()),
        path=escape(path),
        summary=escape(operation["summary"]),
        description=_paragraphs(operation["description"]),
        parameters=_parameters(operation.get("parameters", [])),
        body="<h3>Body</h3>" + "".join(_examples(content)) if content else "",
        answers="\n".join(_answer(status, answer) for status, answer in operation["responses"].items()),
    )


def _paragraphs(text: str) -> str:
    return "".join(f"<p>{escape(' '.join(part.split()))}</p>" for part in text.strip().split("\n\n"))


def _parameters(parameters: list[dict[str, Any]]) -> str:
    if not parameters:
        return ""
    rows = "".join(
        f"<tr><td><code>{escape(one['name'])}</code></td><td>{escape(one['in'])}</td>"
        f"<td>{'required' if one.get('required') else ''}</td><td>{escape(_kind(one.get('schema', {})))}</td>"
        f"<td>{escape(one.get('description', ''))}</td></tr>"
        for one in parameters
    )
    return f"<h3>Parameters</h3>\n<table>{rows}</table>"


def _kind(schema: dict[str, Any]) -> str:
    """Name a parameter's type in a few words."""
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " | ".join(_kind(one) for one in schema["anyOf"] if one.get("type") != "null")
    if schema.get("type") == "array":
        return f"{_kind(schema['items'])}, repeatable"
    bounds = "–".join(str(schema[bound]) for bound in ("minimum", "maximum") if bound in schema)
    return " ".join(filter(None, [str(schema.get("format", schema.get("type", ""))), bounds]))


def _answer(status: str, answer: dict[str, Any]) -> str:
    content = answer.get("content", {})
    kind = next(iter(content), "")
    shown = "".join(_examples(content)) if status.startswith("2") else ""
    return f"<p><b>{escape(status)}</b> {escape(answer['description'])} <code>{escape(kind)}</code></p>{shown}"


def _examples(content: dict[str, Any]) -> Iterator[str]:
    for one in content.values():
        if "example" in one:
            yield _block(one["example"])
        for named in one.get("examples", {}).values():
            yield f"<p>{escape(named['summary'])}</p>{_block(named['value'])}"


def _block(example: Any) -> str:
    text = example if isinstance(example, str) else json.dumps(example, indent=2, ensure_ascii=False)
    return f"<pre>{escape(text)}</pre>"

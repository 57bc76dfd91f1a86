"""HTTP answers: JSON bodies, error bodies, and the front's HTML page for unknown paths."""

from __future__ import annotations

import json
import logging
from typing import Any, Final

from aiohttp import web
from aiohttp.http import HttpProcessingError
from aiohttp.typedefs import Handler

from paper.apierror import INTERNAL, ApiError, Blocked, invalid_param
from paper.errors import AdminError
from paper.session import dumps

logger = logging.getLogger(__name__)

MAX_BODY_BYTES: Final = 1024 * 1024
NOT_WRITTEN: Final = "paper.not_written"
"""Set on requests whose handler must return its answer instead of writing it."""


def _page(title: str) -> str:
    """Return a page of the front, which speaks HTML."""
    return (
        f"<!DOCTYPE html>\n<html><head><title>{title}</title></head>"
        f"<body><h1>{title}</h1></body></html>\n"
    )


_FORBIDDEN: Final = _page("403 Forbidden")
_NOT_ALLOWED: Final = _page("405 Not Allowed")


def answer(value: dict[str, Any], status: int = 200) -> web.Response:
    """Return `value` as a JSON answer."""
    return web.Response(text=dumps(value), status=status, content_type="application/json")


def failure(error: ApiError) -> web.Response:
    """Return the error body of `error` with its HTTP status."""
    return answer({"code": error.code, "message": error.message}, error.http_status)


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer every failure as the exchange does: JSON with a code, or the front's HTML 403."""
    try:
        return await handler(request)
    except ApiError as error:
        return failure(error)
    except Blocked:
        return web.Response(text=_NOT_ALLOWED, status=405, content_type="text/html")
    except AdminError as error:
        return failure(invalid_param(str(error)))
    except web.HTTPNotFound:
        return web.Response(text=_FORBIDDEN, status=403, content_type="text/html")
    except web.HTTPRequestEntityTooLarge:
        detail = "the body is too large"
        return failure(invalid_param(detail))
    except web.HTTPException as error:
        return answer({"code": error.status, "message": error.reason}, error.status)
    except Exception:
        logger.exception("%s %s failed", request.method, request.path)
        return answer({"code": INTERNAL, "message": "internal server error"}, 500)


async def read_form(request: web.Request) -> dict[str, str]:
    """Return the text fields of a form body (urlencoded or multipart), the first value of each.

    Anything else, also a body that does not parse, is ApiError 20001.
    """
    if request.content_type not in ("application/x-www-form-urlencoded", "multipart/form-data"):
        detail = "a form body is expected"
        raise invalid_param(detail)
    try:
        fields = await request.post()
    except (ValueError, LookupError, AssertionError, HttpProcessingError) as error:
        detail = "the form cannot be read"
        raise invalid_param(detail) from error
    found: dict[str, str] = {}
    for name, value in fields.items():
        if isinstance(value, str):
            found.setdefault(name, value)
    return found


async def read_json(request: web.Request) -> object:
    """Return the decoded JSON body, or raise ApiError 20001."""
    try:
        return json.loads(await request.read())
    except (ValueError, RecursionError) as error:
        detail = "the body is not JSON"
        raise invalid_param(detail) from error

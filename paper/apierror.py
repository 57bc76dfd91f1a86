"""Errors that the exchange answers to a client, with the venue's codes.

Code numbers are those of "Data structures, constants and errors" on apidocs.lighter.xyz.
"""

from __future__ import annotations

from typing import Final

INVALID_PARAM: Final = 20001
INVALID_AUTH: Final = 20013
NONCE_NOT_FOUND: Final = 21101
ACCOUNT_NOT_FOUND: Final = 21102
API_KEY_NOT_FOUND: Final = 21109
TX_NOT_FOUND: Final = 21500
INVALID_TX_INFO: Final = 21501
BATCH_TOO_LARGE: Final = 21514
INVALID_MARKET: Final = 21602
NOT_FOUND: Final = 29404
INTERNAL: Final = 29500


class ApiError(Exception):
    """A request that is answered with an error body `{"code": ..., "message": ...}`."""

    def __init__(self, code: int, message: str, http_status: int = 400) -> None:
        """Keep the venue's error `code`, its text, and the HTTP status of the answer."""
        super().__init__(f"{code} {message}")
        self.code = code
        self.message = message
        self.http_status = http_status


class Blocked(Exception):  # noqa: N818  named after what happened
    """The firewall in front of the exchange holds the client off."""


def invalid_param(detail: str = "") -> ApiError:
    """Return the venue's answer to a parameter that is missing, malformed or out of range."""
    return ApiError(INVALID_PARAM, f"invalid param : {detail}" if detail else "invalid param ")


def invalid_auth(detail: str) -> ApiError:
    """Return the venue's answer to a token that is present but not acceptable (HTTP 401)."""
    return ApiError(INVALID_AUTH, f"invalid auth: {detail}", http_status=401)


def not_found(detail: str = "not found") -> ApiError:
    """Return the venue's answer to a look-up without a result (HTTP 400, code 29404)."""
    return ApiError(NOT_FOUND, detail)

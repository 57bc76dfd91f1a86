"""What the engine refuses.

TxRejected    a transaction that the exchange's API answers with a code; nothing has changed
AdminError    an admin call that cannot be done (no such account, ...); nothing has changed
"""

from __future__ import annotations


class TxRejected(Exception):  # noqa: N818 - named after the outcome, not after an error
    """A transaction was refused before acceptance: no state changed, the nonce is free."""

    def __init__(self, code: int, message: str) -> None:
        """Keep the documented error code and its text."""
        super().__init__(f"{code} {message}")
        self.code = code
        self.message = message


class AdminError(Exception):
    """An admin call was refused; no state changed."""

"""Transactions sent over a WebSocket: `jsonapi/sendtx` and `jsonapi/sendtxbatch`.

An answer repeats the client's `id`, and so does a refusal, except one for too many requests:
that comes bare (apidocs.lighter.xyz, "WebSocket reference" and "Rate limits").
"""

from __future__ import annotations

from typing import Any, Final

from paper.apierror import INVALID_TX_INFO, ApiError, Blocked
from paper.batch import read_batch
from paper.channels import INVALID_DATA, UNSUPPORTED
from paper.exchange import Exchange
from paper.quota import USED_UP
from paper.session import Session
from paper.throttle import TOO_MANY_REQUESTS, Throttle

SEND_TX: Final = "jsonapi/sendtx"
SEND_TX_BATCH: Final = "jsonapi/sendtxbatch"

Json = dict[str, Any]


class SocketSends:
    """Admits transactions that come over sockets and writes the answers."""

    def __init__(self, exchange: Exchange, throttle: Throttle) -> None:
        """Submit to `exchange` what `throttle` lets through."""
        self._exchange = exchange
        self._throttle = throttle

    def handle(self, session: Session, kind: str, data: object, received_ns: int) -> None:
        """Answer with the outcome of admission, then execute what is due.

        `kind` is SEND_TX or SEND_TX_BATCH; `received_ns` is when the bytes came in.
        """
        identity: Json = {}
        if isinstance(data, dict) and isinstance(data.get("id"), str | int):
            identity = {"id": data["id"]}
        try:
            fields = _checked(session, data)
            send = self._one if kind == SEND_TX else self._batch
            answer = {"code": 200, **identity, **send(session, fields, received_ns), "type": kind}
        except Blocked:
            answer = error_frame(ApiError(TOO_MANY_REQUESTS, "Too Many Requests!"))
        except ApiError as error:
            bare = error.code == TOO_MANY_REQUESTS and error.message != USED_UP
            answer = {**error_frame(error), **({} if bare else identity)}
        session.send(answer)
        self._exchange.pump_soon()

    def _one(self, session: Session, data: Json, received_ns: int) -> Json:
        tx_type, info = data.get("tx_type"), data.get("tx_info")
        if type(tx_type) is not int or not isinstance(info, dict):
            raise ApiError(INVALID_TX_INFO, "invalid tx info")
        self._throttle.transactions(session.address, [tx_type], info)
        accepted = self._exchange.submit(tx_type, info, received_ns)
        return {
            "predicted_execution_time_ms": accepted.predicted_execution_time_ms,
            "tx_hash": accepted.tx_hash,
            **self._quota(info),
        }

    def _batch(self, session: Session, data: Json, received_ns: int) -> Json:
        types, infos = read_batch(data.get("tx_types"), data.get("tx_infos"))
        self._throttle.transactions(session.address, types, infos[0] if infos else None)
        accepted = self._exchange.submit_batch(types, infos, received_ns)
        return {
            "predicted_execution_time_ms": accepted[-1].predicted_execution_time_ms,
            "tx_hash": [one.tx_hash for one in accepted],
            **self._quota(infos[0]),
        }

    def _quota(self, info: object) -> Json:
        left = self._throttle.quota_left(info)
        return {} if left is None else {"volume_quota_remaining": left}


def _checked(session: Session, data: object) -> Json:
    if not session.may_trade:
        raise ApiError(UNSUPPORTED, "unsupported operation")
    if not isinstance(data, dict):
        raise ApiError(INVALID_DATA, "Invalid Data")
    return data


def error_frame(error: ApiError) -> Json:
    """Return an error frame: it has neither a type nor a channel."""
    return {"error": {"code": error.code, "message": error.message}}

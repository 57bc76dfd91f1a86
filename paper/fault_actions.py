"""Fault actions: what happens once, at once, and is nobody's answer: sockets and strangers."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import Any, Final

from paper.apierror import invalid_param
from paper.engine import Engine
from paper.errors import TxRejected
from paper.exchange import Exchange
from paper.faults import Fault, Faults
from paper.session import Session
from paper.stream import Hub

STRANGER_KEY: Final = 254
"""The API key that a stranger trades with; it is registered when first needed."""
SIGNED_FOR_MS: Final = 599_000
CREATE_ORDER: Final = 14

_ABORT, _NO_PONG, _GOING_AWAY = "abort", 1008, 1001


class FaultActions:
    """Acts on the switches of kinds "action" and "socket"."""

    def __init__(self, faults: Faults, exchange: Exchange, hub: Hub) -> None:
        """Act on `exchange` and on the clients of `hub`."""
        self._faults = faults
        self._exchange = exchange
        self._hub = hub
        self._muted: dict[int, list[Session]] = {}
        faults.on_change(self._refresh)

    def _refresh(self) -> None:
        """Let sockets speak again whose switch is gone."""
        live = {fault.id for fault in self._faults.live("socket")}
        self._let_only_pings(any(f.name == "only_pings" for f in self._faults.live("socket")))
        for gone in self._muted.keys() - live:
            for session in self._muted.pop(gone):
                session.muted = session.channels_muted = False

    def _let_only_pings(self, wanted: bool) -> None:  # noqa: FBT001
        if wanted is not self._hub.only_pings:
            self._hub.only_pings = wanted
            for session in self._hub.sessions:
                session.only_pings = wanted

    def act(self, fault: Fault) -> None:
        """Do what a new switch says; one that cannot be done raises ApiError."""
        match fault.name:
            case "socket_silent" | "channels_silent":
                self._mute(fault)
            case "only_pings":
                fault.fire()
            case "shutdown":
                self._shut_down(fault.options["close_in_ms"])
                fault.fire()
            case "no_pong" | "socket_cut":
                for session in self._sessions(fault):
                    if fault.name == "no_pong":
                        session.close(_NO_PONG, "no pong")
                    else:
                        session.abort()
                fault.fire()
            case "foreign_key_use":
                self._use_key(fault.options)
                fault.fire()
            case "liquidation":
                self._liquidate(fault.options["account_index"])
                fault.fire()
            case "foreign_trade":
                self._trade(fault.options)
                fault.fire()

    def _sessions(self, fault: Fault) -> list[Session]:
        """Return the sockets that a switch concerns: of an account, with a channel, or all."""
        account, family = fault.scope.get("account_index"), fault.scope.get("family")
        return [
            session
            for session in self._hub.sessions
            if (account is None or _is_of(session, account))
            and (family is None or _has_family(session, family))
        ]

    def _mute(self, fault: Fault) -> None:
        sessions = self._sessions(fault)
        self._muted[fault.id] = sessions
        for session in sessions:
            if fault.name == "channels_silent":
                session.channels_muted = True
            else:
                session.muted = True
            fault.fire()

    def _shut_down(self, close_in_ms: int) -> None:
        loop = asyncio.get_running_loop()
        for session in self._hub.sessions:
            session.send({"type": "shutdown", "close_in_ms": close_in_ms})
            loop.call_later(close_in_ms / 1000, session.close, _GOING_AWAY, "shutdown")

    def _use_key(self, options: dict[str, Any]) -> None:
        """Spend the next nonce of somebody's key on an order that cannot fill."""
        account, key = options["account_index"], options["api_key_index"]
        order = {"MarketIndex": 0, "BaseAmount": 1, "Price": 1, "IsAsk": 0, "Type": 0}
        self._submit(account, key, order)

    def _trade(self, options: dict[str, Any]) -> None:
        """Trade at market for somebody's account, with a key of our own."""
        engine, account = self._exchange.engine, options["account_index"]
        market = engine.markets.get(options["market_index"])
        if market is None:
            raise invalid_param(f"market {options['market_index']} does not exist")
        mark = engine.mark_price(market.market_id)
        lots = int(Decimal(options["base_amount"]).scaleb(market.size_decimals))
        is_ask = options["side"] == "sell"
        order = {
            "MarketIndex": market.market_id,
            "BaseAmount": lots,
            "Price": mark // 2 if is_ask else mark * 2,
            "IsAsk": int(is_ask),
            "Type": 1,
        }
        if self._exchange.has_account(account) and not self._exchange.has_key(
            account, STRANGER_KEY
        ):
            engine.add_key(account, STRANGER_KEY, "0" * 80)
        self._submit(account, STRANGER_KEY, order)

    def _liquidate(self, account: int) -> None:
        """Take collateral until the account is just below its maintenance margin."""
        engine = self._exchange.engine
        summary = engine.summary(account) if self._exchange.has_account(account) else None
        if summary is None or not summary.maintenance_margin:
            raise invalid_param(f"account {account} has no position")
        spare = summary.total_value - summary.maintenance_margin
        engine.add_collateral(account, -(spare + 1))
        self._exchange.pump()

    def _submit(self, account: int, key: int, order: dict[str, int]) -> None:
        engine: Engine = self._exchange.engine
        nonce = engine.next_nonce(account, key)
        if nonce is None:
            raise invalid_param(f"account {account} has no API key {key}")
        info = {
            "AccountIndex": account,
            "ApiKeyIndex": key,
            "ClientOrderIndex": 0,
            "TimeInForce": 0,
            "ReduceOnly": 0,
            "TriggerPrice": 0,
            "OrderExpiry": 0,
            "ExpiredAt": self._exchange.now_ms() + SIGNED_FOR_MS,
            "Nonce": nonce,
            "Sig": "A" * 108,
            "L2TxAttributes": None,
            **order,
        }
        try:
            engine.submit(CREATE_ORDER, json.dumps(info, separators=(",", ":")))
        except TxRejected as error:
            raise invalid_param(f"the exchange refuses it: {error}") from error
        self._exchange.pump()


def _has_family(session: Session, family: str) -> bool:
    """Return whether the socket is subscribed to a channel of this family."""
    return any(channel.partition(":")[0] == family for channel in session.channels)


def _is_of(session: Session, account: int) -> bool:
    """Return whether the socket is subscribed to a channel of the account."""
    return any(str(account) in channel.replace("/", ":").split(":") for channel in session.channels)

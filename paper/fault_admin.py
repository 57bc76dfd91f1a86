"""`/paper/faults`: set, list and delete fault switches; and where they are hooked in."""

from __future__ import annotations

from functools import partial
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from paper.answers import answer, read_json
from paper.apierror import ApiError, not_found
from paper.errors import AdminError
from paper.exchange import Exchange
from paper.fault_actions import FaultActions
from paper.fault_answers import AnswerFaults
from paper.fault_catalogue import SWITCHES
from paper.fault_frames import FrameFaults
from paper.fault_plans import Planner
from paper.fault_rows import RowFaults
from paper.fault_views import Routes, ViewFaults
from paper.faults import Faults
from paper.params import Body, Params
from paper.stream import Hub

PATH: Final = "/paper/faults"
_OWN_PATH: Final = "/paper/"
_STREAM: Final = "/stream"


class FaultSwitches:
    """All that acts on `faults`, hooked into one exchange and its hub."""

    def __init__(self, faults: Faults, exchange: Exchange, hub: Hub, routes: Routes) -> None:
        """`routes` gives the REST handlers of an exchange."""
        self._faults = faults
        self._exchange = exchange
        self._answers = AnswerFaults(faults)
        self._views = ViewFaults(faults, exchange, routes)
        self._frames = FrameFaults(faults, hub)
        self._rows = RowFaults(faults, hub, exchange.now_ms)
        self._actions = FaultActions(faults, exchange, hub)
        self._planner = Planner(faults, exchange.engine.markets)
        self._hub = hub
        self._plain = hub.on_message
        faults.on_change(self._refresh)

    def _refresh(self) -> None:
        """Set the hooks that are needed, clear the others."""
        self._exchange.planner = self._planner.plan if self._faults.live("execution") else None
        guarded = self._faults.live("answer")
        self._hub.on_message = self._answers.gate(self._plain) if guarded else self._plain

    @property
    def middleware(self) -> Middleware:
        """The middleware that must stand first."""

        @web.middleware
        async def act(request: web.Request, handler: Handler) -> web.StreamResponse:
            if request.path.startswith(_OWN_PATH):
                return await handler(request)
            if request.path == _STREAM:
                return await self._answers.upgrade(request, handler)
            if self._views.is_on:
                handler = await self._views.handler_for(request, handler)
            if self._rows.is_on:
                handler = partial(self._rows.http, handler=handler)
            if self._answers.is_on:
                return await self._answers.http(request, handler)
            return await handler(request)

        return act

    def routes(self) -> list[web.RouteDef]:
        """Return the admin calls."""
        return [
            web.post(PATH, self.set),
            web.get(PATH, self.list),
            web.delete(PATH, self.clear),
            web.delete(f"{PATH}/{{id}}", self.delete),
        ]

    async def set(self, request: web.Request) -> web.Response:
        """Set one switch and answer it."""
        fault = self._faults.set(Body(await read_json(request)))
        try:
            self._actions.act(fault)
        except (ApiError, AdminError):
            self._faults.delete([fault.id])
            raise
        return answer({"code": 200, "fault": fault.as_json()})

    async def list(self, _: web.Request) -> web.Response:
        """Answer every switch with its counters, and the names of all there are."""
        rows = [fault.as_json() for fault in self._faults.all()]
        return answer({"code": 200, "faults": rows, "switches": list(SWITCHES)})

    async def clear(self, _: web.Request) -> web.Response:
        """Delete every switch; held transactions go, silent sockets speak."""
        rows = [f.as_json() for f in self._faults.delete([f.id for f in self._faults.all()])]
        self._let_go()
        return answer({"code": 200, "faults": rows})

    async def delete(self, request: web.Request) -> web.Response:
        """Delete one switch; what it holds goes."""
        fault_id = Params(request.match_info).integer("id")
        fault = self._faults.get(fault_id)
        if fault is None:
            raise not_found(f"there is no fault {fault_id}")
        self._faults.delete([fault_id])
        if fault.name == "held":
            self._let_go()
        return answer({"code": 200, "fault": fault.as_json()})

    def _let_go(self) -> None:
        self._exchange.engine.release()
        self._exchange.pump()

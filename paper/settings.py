"""The validated settings of one paper exchange process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, cast

Tier = Literal["instant", "standard", "plus", "premium"]

_TIERS: Final = ("instant", "standard", "plus", "premium")
_MAX_PORT: Final = 65_535
_MAX_STEPS_PER_S: Final = 1_000.0
_MAX_SECONDS: Final = 86_400.0


class SettingsError(ValueError):
    """A setting that cannot be used; its text is one sentence for the user."""


class StateError(Exception):
    """A state directory that cannot be used; its text is one sentence for the user."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that the command line decides; times in seconds, 0 = off for the ping.

    `host` must already be a loopback address. `state_dir` None means that nothing is kept.
    """

    host: str = "127.0.0.1"
    port: int = 0
    seed: int = 1
    tier: Tier = "instant"
    market: bool = True
    steps_per_s: float = 4.0
    state_dir: Path | None = None
    limits: bool = False
    server_ping_s: float = 0.0
    idle_close_s: float = 120.0
    clock_ahead_s: float = 0.0
    """How far the exchange's clock is ahead of this host's; negative: behind."""

    def __post_init__(self) -> None:
        """Raise SettingsError for a value out of range."""
        if not 0 <= self.port <= _MAX_PORT:
            msg = f"--port {self.port} is not between 0 and {_MAX_PORT}"
            raise SettingsError(msg)
        if not 0 < self.steps_per_s <= _MAX_STEPS_PER_S:
            msg = f"--steps-per-s {self.steps_per_s} is not between 0 and {_MAX_STEPS_PER_S:.0f}"
            raise SettingsError(msg)
        if not 0 <= self.server_ping_s <= _MAX_SECONDS:
            msg = f"--server-ping-s {self.server_ping_s} is not between 0 and {_MAX_SECONDS:.0f}"
            raise SettingsError(msg)
        if not abs(self.clock_ahead_s) <= _MAX_SECONDS:
            msg = f"--clock-ahead-s {self.clock_ahead_s} is more than {_MAX_SECONDS:.0f} either way"
            raise SettingsError(msg)
        if not 0 < self.idle_close_s <= _MAX_SECONDS:
            msg = f"--idle-close-s {self.idle_close_s} is not between 0 and {_MAX_SECONDS:.0f}"
            raise SettingsError(msg)


def parse_limits(word: str | None, tier: Tier) -> bool:
    """Return whether requests are limited: as told, else on every tier but instant."""
    if word is None:
        return tier != "instant"
    if word not in ("on", "off"):
        msg = f"--limits {word} is not one of on, off"
        raise SettingsError(msg)
    return word == "on"


def parse_tier(name: str) -> Tier:
    """Return `name` as a tier, or raise SettingsError naming the allowed ones."""
    if name not in _TIERS:
        msg = f"--tier {name} is not one of {', '.join(_TIERS)}"
        raise SettingsError(msg)
    return cast("Tier", name)

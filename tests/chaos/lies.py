"""The lies of a run: what an exchange, or what stands before it, may say falsely."""

import random

from tests.world.lying import Lie

PLACES: tuple[tuple[str, int], ...] = (
    ("account_all_trades", 5),
    ("account_all_orders", 4),
    ("account_tx", 2),
    ("user_stats", 1),
    ("account_all:", 3),
    ("trade:", 5),
    ("order_book", 3),
    ("jsonapi", 2),
    ("/api/v1/account", 3),
    ("/api/v1/nextNonce", 1),
    ("/api/v1/trades", 2),
    ("/api/v1/accountActiveOrders", 1),
    ("/api/v1/accountInactiveOrders", 2),
    ("/api/v1/tx", 1),
    ("/api/v1/sendTx", 1),
)
"""Beginnings of channels and paths, each with its weight."""
FIELD_SHARE, REPEAT_SHARE = 0.65, 0.2
LASTING_SHARE = 0.3


def lie_of(seed: int) -> Lie:
    """Return a lie drawn by a seed: mostly one changed field of one frame."""
    rng = random.Random(f"lie:{seed}")
    places, weights = zip(*PLACES, strict=True)
    where = rng.choices(places, weights)[0]
    drawn = rng.random()
    how = "drop"
    if drawn < FIELD_SHARE:
        how = "field"
    elif drawn < FIELD_SHARE + REPEAT_SHARE:
        how = "repeat"
    return Lie(where, how, seed=seed, lasting=rng.random() < LASTING_SHARE)

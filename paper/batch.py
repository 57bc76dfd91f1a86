"""The two lists of a batch: JSON text of types, JSON text of transactions that are texts again."""

from __future__ import annotations

import json
from typing import Final

from paper.apierror import INVALID_TX_INFO, ApiError, invalid_param

MAX_TYPE: Final = 255


def read_batch(types: object, infos: object) -> tuple[list[int], list[str]]:
    """Return the types and the texts of a batch; how many there are is for the engine to judge.

    ApiError 20001 unless both are JSON texts of lists, 21501 for members of another kind.
    """
    kinds, texts = _list_of(types, "tx_types"), _list_of(infos, "tx_infos")
    good_kinds = [kind for kind in kinds if type(kind) is int and 0 <= kind <= MAX_TYPE]
    good_texts = [text for text in texts if isinstance(text, str)]
    if len(good_kinds) != len(kinds) or len(good_texts) != len(texts):
        raise ApiError(INVALID_TX_INFO, "invalid tx info")
    return good_kinds, good_texts


def _list_of(text: object, name: str) -> list[object]:
    if not isinstance(text, str):
        raise invalid_param(name)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise invalid_param(name) from error
    if not isinstance(value, list):
        raise invalid_param(name)
    return value

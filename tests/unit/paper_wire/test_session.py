"""Tests of WebSocket framing in the paper exchange."""

import pytest
from websockets.frames import Frame, Opcode

from paper.session import dumps, text_frame


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 200_000])
def test_frames_are_what_websockets_makes(size: int) -> None:
    """A text frame has the bytes that another implementation gives it."""
    payload = b"x" * size
    assert text_frame(payload) == Frame(Opcode.TEXT, payload).serialize(mask=False)


def test_json_is_compact() -> None:
    """JSON has no spaces."""
    assert dumps({"a": [1, "b"]}) == '{"a":[1,"b"]}'

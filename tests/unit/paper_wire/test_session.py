"""Tests of WebSocket framing in the paper exchange."""

import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame as OtherFrame
from websockets.frames import Opcode

from paper.session import COMPRESS_FROM, Frame, dumps, json_frame, text_frame


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 200_000])
def test_frames_are_what_websockets_makes(size: int) -> None:
    """A text frame has the bytes that another implementation gives it."""
    payload = b"x" * size
    assert text_frame(payload) == OtherFrame(Opcode.TEXT, payload).serialize(mask=False)


def test_json_is_compact() -> None:
    """JSON has no spaces."""
    assert dumps({"a": [1, "b"]}) == '{"a":[1,"b"]}'


def test_small_payloads_stay_plain() -> None:
    """A client that inflates gets small messages as everybody does."""
    frame = Frame(b"x" * (COMPRESS_FROM - 1))
    assert frame.encoded(15) is frame.plain
    assert frame.encoded(0) is frame.plain


def test_a_broadcast_is_deflated_once() -> None:
    """All clients with one window share one deflated frame."""
    frame = json_frame(["level"] * 1000)
    assert frame.encoded(15) is frame.encoded(15)
    assert len(frame.encoded(15)) < len(frame.plain) / 10
    assert frame.encoded(9) is not frame.encoded(15)


def header_size(frame: bytes) -> int:
    return {126: 4, 127: 10}.get(frame[1], 2)


LONG_TEXTS = st.builds(
    lambda text, ending: text * (COMPRESS_FROM // len(text) + 1) + ending,
    st.text(min_size=1, max_size=60),
    st.text(max_size=20),
)
"""Texts that are long enough to be deflated, and cheap to make."""


@settings(deadline=None)
@given(
    st.lists(LONG_TEXTS, min_size=1, max_size=3),
    st.integers(9, 15),
)
def test_another_implementation_inflates_what_is_deflated(texts: list[str], window: int) -> None:
    """One inflater that keeps its context reads message after message of different senders."""
    inflater = PerMessageDeflate(
        remote_no_context_takeover=False,
        local_no_context_takeover=False,
        remote_max_window_bits=window,
        local_max_window_bits=15,
    )
    for text in texts:
        sent = Frame(text.encode()).encoded(window)
        assert sent[0] == 0xC1
        body = OtherFrame(Opcode.TEXT, sent[header_size(sent) :], rsv1=True)
        assert bytes(inflater.decode(body).data) == text.encode()


def test_the_tail_is_cut() -> None:
    """The last four bytes of a flush do not go over the wire."""
    sent = json_frame("x" * 5000).encoded(15)
    assert not sent.endswith(b"\x00\x00\xff\xff")
    inflated = zlib.decompressobj(-15).decompress(sent[header_size(sent) :] + b"\0\0\xff\xff")
    assert inflated == dumps("x" * 5000).encode()

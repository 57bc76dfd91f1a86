"""The exchange's error codes: what each means for us. The only place that knows their numbers.

Source: apidocs.lighter.xyz, "Data structures, constants and errors". A code that is not listed is
`Refusal.OTHER`: refused, for a reason that only its text tells.
"""

from collections.abc import Mapping

from hedge.core.refusal import Refusal

_MEANINGS: Mapping[Refusal, frozenset[int]] = {
    Refusal.MARGIN: frozenset(
        {
            21111,  # account in liquidation
            21112,  # account in pre-liquidation
            21133,  # the account's risk would grow
            21301,  # not enough collateral
            21507,  # margin
            21508,  # margin
            21739,  # not enough margin to create the order
        }
    ),
    Refusal.KEY: frozenset(
        {
            21102,  # account index
            21108,  # public key
            21109,  # API key not found
            21110,  # API key index
            21120,  # signature, also one for another chain
        }
    ),
    Refusal.SOFTWARE: frozenset({21136}),  # update the SDK
    Refusal.ROLE: frozenset(
        {
            21149,  # integrator not approved
            21511,  # not allowed for this account
            *range(62001, 62008),  # tier; 62007: a key that may only post
        }
    ),
    Refusal.NO_SUCH_KEY: frozenset({21101}),  # nonce of a key that is not known, or not yet
    Refusal.TOO_SMALL: frozenset({21706}),  # base or quote amount
    Refusal.GONE: frozenset({21600, 21709, 21715}),  # not active, inactive
    Refusal.NONCE: frozenset({21104}),
    Refusal.NOT_FOUND: frozenset({21500, 29404}),  # transaction; anything, with HTTP 400
    Refusal.BUSY: frozenset({23000, 30009, 30010}),  # requests, messages, in flight
    Refusal.TROUBLE: frozenset({29500, 29501}),  # internal error, time-out
    Refusal.TOKEN: frozenset({20013}),  # a token that ran out
    Refusal.MARKET: frozenset({21605}),  # market status
}
_TX_INFO, _EXPIRED_WORD = 21501, "expired"
_QUOTA_WORDS = "volume quota"
_TAKEN, _LEAST_CODE, _LIMITED = 200, 10_000, frozenset({405, 429})
_BY_CODE = {code: refusal for refusal, codes in _MEANINGS.items() for code in codes}


def refusal_of(code: int | None, message: str = "") -> Refusal:
    """Return what a code means; None and codes that are not listed are OTHER.

    The exchange's own codes have five digits: a smaller one, in whatever answer it stands, is the
    status of a server on the way, and tells nothing of the transaction.

    Too many requests and a volume quota that is used up have one code: only `message`, the
    exchange's own words, tells them apart (apidocs.lighter.xyz, "Volume quota program").
    """
    if code is not None and 0 < code < _LEAST_CODE and code != _TAKEN:
        return Refusal.BUSY if code in _LIMITED else Refusal.TROUBLE
    refusal = Refusal.OTHER if code is None else _BY_CODE.get(code, Refusal.OTHER)
    if code == _TX_INFO and _EXPIRED_WORD in message.lower():
        return Refusal.CLOCK
    if refusal is Refusal.BUSY and _QUOTA_WORDS in message.lower():
        return Refusal.QUOTA
    return refusal

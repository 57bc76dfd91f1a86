"""Tests of the request limits of the paper exchange, on a clock of their own."""

import pytest

from paper.limits import FIREWALL_REFUSALS, FIREWALL_S, Bucket, Owner, RequestLimits, Verdict

HERE = "127.0.0.1"
STANDARD = Owner("l1 0xa", "standard")
OTHER = Owner("l1 0xb", "standard")
PREMIUM = Owner("l1 0xc", "premium")


def count_passing(limits: RequestLimits, owner: Owner, call: str, tries: int, now: float) -> int:
    verdicts = [limits.read(now, HERE, owner, call) for _ in range(tries)]
    return verdicts.count(Verdict.PASS)


def test_standard_has_sixty_requests_a_minute() -> None:
    """On Standard sixty requests pass in a minute, whatever they weigh, and owners count apart."""
    limits = RequestLimits()
    assert count_passing(limits, STANDARD, "account", 70, 0.0) == 60
    assert limits.read(0.0, HERE, OTHER, "account") is Verdict.PASS
    assert limits.read(30.0, HERE, STANDARD, "account") is Verdict.TOO_MANY
    assert limits.read(61.0, HERE, STANDARD, "account") is Verdict.PASS


def test_transactions_share_the_sixty() -> None:
    """On Standard transactions and reads come out of one budget."""
    limits = RequestLimits()
    assert count_passing(limits, STANDARD, "account", 50, 0.0) == 50
    sent = [limits.send(0.0, HERE, STANDARD, [14]) for _ in range(20)]
    assert sent.count(Verdict.PASS) == 10


def test_one_type_has_forty_a_minute_on_standard() -> None:
    """Forty transactions of one type pass; other types and reads go on."""
    limits = RequestLimits()
    sent = [limits.send(0.0, HERE, STANDARD, [17]) for _ in range(45)]
    assert sent.count(Verdict.PASS) == 40
    assert limits.send(0.0, HERE, STANDARD, [14]) is Verdict.PASS


def test_a_batch_is_one_request_and_counts_each_type() -> None:
    """A batch is one request, but each of its members counts for its type."""
    limits = RequestLimits()
    sent = [limits.send(0.0, HERE, STANDARD, [14] * 15) for _ in range(3)]
    assert sent == [Verdict.PASS, Verdict.PASS, Verdict.TOO_MANY]
    assert limits.send(22.0, HERE, STANDARD, [14]) is Verdict.TOO_MANY
    assert limits.send(23.0, HERE, STANDARD, [14] * 10) is Verdict.PASS


@pytest.mark.parametrize(
    ("call", "passing"), [("account", 80), ("trades", 40), ("nextNonce", 100), ("tokens/create", 1)]
)
def test_premium_is_weighed(call: str, passing: int) -> None:
    """On Premium a minute holds a weight of 24,000."""
    assert count_passing(RequestLimits(), PREMIUM, call, 100, 0.0) == passing


def test_trades_have_a_ceiling_on_standard_too() -> None:
    """A heavy call has its own ceiling below the sixty."""
    assert count_passing(RequestLimits(), STANDARD, "trades", 60, 0.0) == 40


def test_premium_sends_without_type_limits_under_the_quota() -> None:
    """On Premium creates are not held to forty; what no source frees of that is."""
    for tx_type, passing in ((14, 100), (16, 100), (15, 40), (17, 40), (20, 40), (13, 2)):
        limits = RequestLimits()
        sent = [limits.send(0.0, HERE, PREMIUM, [tx_type]) for _ in range(100)]
        assert sent.count(Verdict.PASS) == passing, tx_type


def test_the_cool_down_of_the_api_is_the_weight_over_the_rate() -> None:
    """Over the limit a bucket stays shut for weight / (limit / 60) seconds, even if it has room."""
    bucket = Bucket()
    bucket.add(0.0, 24_000)
    assert not bucket.fits(59.9, 300, 24_000)
    assert not bucket.fits(60.5, 300, 24_000)
    assert bucket.fits(60.66, 300, 24_000)


def test_hammering_meets_the_firewall() -> None:
    """More than sixty refusals in a minute shut the address out for sixty seconds flat."""
    limits = RequestLimits()
    count_passing(limits, STANDARD, "account", 60, 0.0)
    verdicts = [limits.read(0.0, HERE, STANDARD, "account") for _ in range(FIREWALL_REFUSALS + 1)]
    assert verdicts[:-1] == [Verdict.TOO_MANY] * FIREWALL_REFUSALS
    assert verdicts[-1] is Verdict.FIREWALL
    assert limits.is_banned(59.0, HERE)
    assert limits.read(59.0, HERE, OTHER, "account") is Verdict.FIREWALL
    assert limits.read(59.0, "127.0.0.2", OTHER, "account") is Verdict.PASS
    assert limits.read(FIREWALL_S, HERE, STANDARD, "account") is Verdict.PASS


def test_polite_clients_never_meet_the_firewall() -> None:
    """One refusal a second is not hammering."""
    limits = RequestLimits()
    count_passing(limits, STANDARD, "account", 60, 0.0)
    verdicts = {limits.read(float(now), HERE, STANDARD, "account") for now in range(1, 600)}
    assert Verdict.FIREWALL not in verdicts

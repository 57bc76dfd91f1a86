"""The list of tempting rules: each makes the simulator find the loss that the kept rule prevents.

A weakening replaces an object that is handed in (sender, messenger), or wraps one call of a built
manager, for the length of one schedule. Its schedules favour the faults that it loses by; without
the rule the same schedules run clean.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from tests.simulation.daemon import Tools
from tests.simulation.exchange import OTHER_KEY
from tests.simulation.schedule import GENERAL, Profile
from tests.simulation.tempting_accounts import (
    default_is_the_account_s,
    may_pass_with_time,
    no_answer_so_fence,
)
from tests.simulation.tempting_changes import what_cannot_change_is_gone
from tests.simulation.tempting_debt import (
    any_ledger_is_leave,
    any_ledger_is_now,
    last_words_show_it,
    never_stops,
)
from tests.simulation.tempting_ends import (
    any_echo_is_heard,
    covered_may_stop,
    everything_is_fresh,
    left_in_file,
    live_is_current,
    minimum_is_written,
    no_name_is_no_order,
    owed_is_all,
    pongs_prove_the_link,
    silence_is_no_news,
    stated_is_current,
    stored_is_known,
)
from tests.simulation.tempting_frames import (
    frames_stay,
    highest_is_newest,
    newer_contains_older,
    sum_agrees,
    whatever_executes,
)
from tests.simulation.tempting_launcher import (
    a_died_stop_the_pair,
    halted_needs_no_b,
    launcher,
)
from tests.simulation.tempting_people import (
    answers_is_up,
    close_alone,
    newest_halt,
    newest_releases,
    release_in_force,
    restore_by_hand,
    shown_is_in_force,
)
from tests.simulation.tempting_prices import (
    a_level_is_a_price,
    own_is_the_market,
    refused_gets_a_wider_cap,
    the_book_is_no_bait,
)
from tests.simulation.tempting_proofs import (
    HastyFence,
    NonceFence,
    PairingSender,
    RefreshingSender,
    TrustingFence,
    every_nonce_is_ours,
    fence,
    no_cancel_all,
    prove_by_position,
    prove_by_sum,
    renew_lapsed,
    sender,
    sum_is_position,
)
from tests.simulation.tempting_silence import polls_again_later, silent_hold
from tests.simulation.tempting_views import (
    add_up,
    any_zero_releases,
    close_both,
    deposed_goes_on,
    four_bits_are_ours,
    managers,
    missing_is_flat,
    newest_by_trade,
    one_dedupe,
    row_is_fill,
    trust_the_key,
    write_on_change,
    zero_is_failed,
)
from tests.simulation.tempting_witness import UnwitnessedFence


@dataclass(frozen=True)
class Weakening:
    """A tempting rule: its row of the counterexamples, how it is injected, what favours it.

    `words`: it loses by what is said, not only by what is done.
    """

    row: int
    rule: str
    tools: Callable[[], Tools]
    profile: Profile = field(default_factory=Profile)
    words: bool = False


LEADING = ("B killed", "B frozen", "standby")


def _aimed(*always: str, **settings: Any) -> Profile:
    return Profile(always=always, share=0.12, **settings)


WEAKENINGS: dict[str, Weakening] = {
    "refresh-nonce": Weakening(
        1,
        "invalid nonce: refresh, sign again",
        lambda: sender(RefreshingSender),
        _aimed("answer lost"),
    ),
    "accepted-fence": Weakening(
        2,
        "fence accepted, so look up now",
        lambda: fence(HastyFence),
        _aimed("answer lost"),
    ),
    "absent-anywhere": Weakening(
        3,
        "absent from any list, so not executed",
        lambda: fence(TrustingFence),
        _aimed("answer lost", "read stale"),
    ),
    "fence-by-nonce": Weakening(
        4,
        "a fence is known by its nonce",
        lambda: fence(NonceFence),
        Profile(
            faults=(),
            always=(*LEADING, "read stale", "answer lost", "nonce handed back"),
            seconds=(15.0, 30.0),
        ),
    ),
    "zero-is-failed": Weakening(
        5,
        "terminal row with zero filled = failed",
        lambda: managers(None, zero_is_failed),
        _aimed("copy held", "nonce handed back", hold_s=3.0),
    ),
    "equal-positions": Weakening(
        6,
        "two equal reads of the position are the truth",
        lambda: managers(prove_by_position, prove_by_position),
        _aimed("read stale", "A killed", "B killed"),
    ),
    "sum-explains": Weakening(
        7,
        "stored position plus trades explains itself",
        lambda: managers(prove_by_sum, prove_by_sum),
        _aimed("read stale", "A killed", "B killed"),
    ),
    "add-up-fills": Weakening(
        8,
        "add up A's fills",
        lambda: managers(None, add_up),
        _aimed("message lost"),
    ),
    "newest-by-trade": Weakening(
        9,
        "newest state = highest trade id",
        lambda: managers(None, newest_by_trade),
        _aimed("frame late", faults=("message late", "answer lost"), peer_watch=0.0, unstated=1.0),
    ),
    "sum-is-position": Weakening(
        10,
        "the sum of A's trades is its position",
        lambda: managers(sum_is_position),
        _aimed("frame dropped", "frame late", peer_watch=0.0),
    ),
    "write-on-change": Weakening(
        11,
        "write state when it changes",
        lambda: managers(write_on_change, write_on_change),
        _aimed("redis wiped", "redis rolled back"),
    ),
    "any-zero-releases": Weakening(
        12,
        "release A when the ledger says owed 0",
        lambda: managers(any_zero_releases),
        _aimed("message late"),
    ),
    "trust-the-key": Weakening(
        13,
        "B after its restart trusts the key",
        lambda: managers(None, trust_the_key),
        _aimed("B killed", "redis rolled back", "A frozen", "cut from redis", peer_watch=0.0),
    ),
    "missing-is-flat": Weakening(
        14,
        "a missing key means flat",
        lambda: managers(None, missing_is_flat),
        _aimed("redis wiped", peer_watch=0.0),
    ),
    "deposed-goes-on": Weakening(
        15,
        "a deposed B that got no 21104 goes on",
        lambda: managers(None, deposed_goes_on),
        _aimed(*LEADING, "answer lost", "cut from exchange"),
    ),
    "renew-lapsed": Weakening(
        16,
        "a lapsed lease may be renewed",
        lambda: Tools(parts=renew_lapsed),
        Profile(
            faults=(),
            always=("B left behind",),
            seconds=(25.0, 40.0),
            fill_every_s=1.0,
            whole_fills=True,
            same_host=0.0,
            peer_watch=0.0,
        ),
    ),
    "no-cancel-all": Weakening(
        17,
        "A's fence leaves orders resting",
        lambda: Tools(parts=no_cancel_all),
        _aimed("A killed", "answer lost"),
    ),
    "unchanged-is-gone": Weakening(
        17,
        "an order whose change is refused is gone",
        lambda: managers(what_cannot_change_is_gone),
        Profile(faults=(), always=("change refused",), seconds=(15.0, 30.0), fill_every_s=3.0),
    ),
    "own-key": Weakening(
        18,
        "a standby with its own API key",
        lambda: Tools(standby_key=OTHER_KEY),
        _aimed("B killed", "B frozen", "standby", "copy held", hold_s=10.0),
    ),
    "row-is-fill": Weakening(
        19,
        "terminal row seen, so the fills are known",
        lambda: managers(row_is_fill),
        _aimed("frame late", "frame dropped", peer_watch=0.0),
    ),
    "one-dedupe": Weakening(
        20,
        "one dedupe set for both accounts",
        lambda: managers(None, one_dedupe),
        _aimed("thin book", "frame late"),
    ),
    "two-unanswered": Weakening(
        21,
        "two unanswered transactions, one fence",
        lambda: sender(PairingSender),
        _aimed("request lost", "copy held", hold_s=8.0),
    ),
    "close-both": Weakening(
        23,
        "force-close both accounts to flat",
        lambda: managers(None, close_both),
        _aimed("B frozen", "cut from exchange", "request lost", seconds=(26.0, 32.0)),
    ),
    "covered-may-stop": Weakening(
        26,
        "B is covered, so B may stop",
        lambda: managers(None, covered_may_stop),
        _aimed("ends: TERM to both", "ends: TERM to B first", "ends: TERM to the group"),
        words=True,
    ),
    "everything-is-fresh": Weakening(
        31,
        "what stands in Redis is what is so",
        lambda: managers(everything_is_fresh, everything_is_fresh),
        Profile(
            faults=(),
            always=("beat of the dead kept", "value replayed", "message replayed"),
            fill_every_s=60.0,
            secret=1.0,
        ),
    ),
    "four-bits-are-ours": Weakening(
        44,
        "four bits make an order ours",
        lambda: managers(four_bits_are_ours, four_bits_are_ours),
        Profile(
            faults=(), always=("A traded with our tag", "B traded with our tag"), seconds=(10, 20)
        ),
    ),
    "our-market-only": Weakening(
        30,
        "cancel-all of our market at the start is enough",
        lambda: Tools(look=lambda _: ()),
        _aimed("market changed"),
        words=True,
    ),
    "owed-is-all": Weakening(
        25,
        "nothing is owed to A, so its end is neutral, whatever is open by hand",
        lambda: managers(owed_is_all),
        Profile(
            faults=(),
            always=("fill by hand", "stopped", "A killed", "B killed"),
            seconds=(15.0, 30.0),
        ),
        words=True,
    ),
    "newest-halt": Weakening(
        32,
        "the newest halt is the halt",
        lambda: managers(newest_halt, newest_halt),
        _aimed("command: halt", "command: flatten, B halted", "redis rolled back", "A liquidated"),
    ),
    "close-alone": Weakening(
        42,
        "flatten asks A only",
        lambda: managers(close_alone),
        _aimed("command: flatten, B halted", "command: flatten", "B frozen", "B killed"),
    ),
    "restore-by-hand": Weakening(
        43,
        "a file of this host is true",
        lambda: managers(None, restore_by_hand),
        _aimed("fill by hand", "files restored", "B killed"),
    ),
    "stored-is-known": Weakening(
        24,
        "what A stated last is A's position",
        lambda: managers(None, stored_is_known),
        _aimed("busy market", "B killed", "A killed", "ends: both killed", peer_watch=1.0),
        words=True,
    ),
    "pongs-prove-the-link": Weakening(
        64,
        "pongs every 30 s prove the link",
        lambda: managers(None, pongs_prove_the_link),
        _aimed("link in a black hole", same_host=0.0, seconds=(15.0, 40.0)),
    ),
    "silence-is-no-news": Weakening(
        56,
        "B covers what A stated last, so it may end, heard or not",
        lambda: managers(None, silence_is_no_news),
        _aimed("host cut off", "ends: TERM to both", "ends: TERM to B first", seconds=(6.0, 18.0)),
        words=True,
    ),
    "any-echo-is-heard": Weakening(
        67,
        "A names no order, so B may leave, whatever A has heard",
        lambda: managers(None, any_echo_is_heard),
        _aimed("ends: TERM to both", "ends: TERM to B first", "redis slow"),
        words=True,
    ),
    "no-name-is-no-order": Weakening(
        68,
        "a heartbeat that names no order means that none rests",
        lambda: managers(None, no_name_is_no_order),
        _aimed("ends: A killed while leaving", "A killed", "ends: TERM to B first"),
        words=True,
    ),
    "live-is-current": Weakening(
        76,
        "A lives, so its statement is current",
        lambda: managers(None, live_is_current),
        Profile(
            faults=(),
            always=("host cut off", "busy market", "public frame dropped", "B killed"),
            seconds=(4.0, 12.0),
            fill_every_s=1.0,
            same_host=0.0,
            peer_watch=1.0,
        ),
    ),
    "stated-is-current": Weakening(
        77,
        "two equal statements are A's position, however early",
        lambda: managers(None, stated_is_current),
        Profile(
            faults=(),
            always=("position lags", "busy market", "B killed", "ends: A killed"),
            seconds=(25.0, 45.0),
            fill_every_s=1.0,
            peer_watch=1.0,
        ),
    ),
    "minimum-is-written": Weakening(
        51,
        "a check at the start that fails is a wrong configuration",
        lambda: managers(minimum_is_written),
        _aimed("price halves", "stopped", "A killed", "ends: both killed", "ends: TERM to both"),
        words=True,
    ),
    "left-in-file": Weakening(
        69,
        "A said that it left, so that stands in the file",
        lambda: managers(None, left_in_file),
        _aimed("stopped", "A killed", seconds=(20.0, 40.0)),
        words=True,
    ),
    "release-in-force": Weakening(
        81,
        "a resumption releases what is in force",
        lambda: managers(release_in_force, release_in_force),
        _aimed("command: halt", "command: resume by force, halted meanwhile", "margin refused"),
    ),
    "answers-is-up": Weakening(
        46,
        "Redis answers, so Redis is up",
        lambda: managers(answers_is_up, answers_is_up),
        Profile(
            faults=(),
            always=("redis refuses writes for long",),
            seconds=(25.0, 40.0),
            fill_every_s=1.0,
        ),
        words=True,
    ),
    "shown-is-in-force": Weakening(
        52,
        "a halt that Redis shows is in force",
        lambda: managers(shown_is_in_force, shown_is_in_force),
        _aimed("resumed halt returns", "old dump restored", "command: halt"),
        words=True,
    ),
    "newest-releases": Weakening(
        83,
        "the newest 64 released ids are enough",
        lambda: managers(newest_releases, newest_releases),
        _aimed("resumed halt returns"),
        words=True,
    ),
    "a-died-stop-the-pair": Weakening(
        28,
        "A died, so stop the pair",
        lambda: replace(managers(None, silence_is_no_news), decide=a_died_stop_the_pair),
        Profile(
            faults=(),
            always=("ends: A killed",),
            seconds=(15.0, 30.0),
            scripts=1.0,
        ),
        words=True,
    ),
    "halted-needs-no-b": Weakening(
        29,
        "a halted pair needs no B",
        lambda: launcher(halted_needs_no_b),
        Profile(faults=(), always=("ends: start after a halt",), scripts=1.0),
    ),
    "marker-is-proof": Weakening(
        73,
        "our marker is listed, row and trade are not: it executed nothing",
        lambda: fence(UnwitnessedFence),
        Profile(
            faults=(),
            always=("rows listed late", "trades listed late", "stream lost"),
            seconds=(40.0, 60.0),
            fill_every_s=0.5,
            whole_fills=True,
        ),
    ),
    "a-signed-nothing": Weakening(
        73,
        "whatever was signed before A's fence is listed beside its marker",
        lambda: Tools(parts=every_nonce_is_ours),
        Profile(
            faults=(),
            always=("rows listed late", "trades listed late", "A killed"),
            seconds=(20.0, 40.0),
            fill_every_s=0.5,
            peer_watch=0.0,
        ),
    ),
    "silent-hold": Weakening(
        57,
        "a limit that says no is enough",
        lambda: managers(silent_hold),
        Profile(
            faults=(),
            always=("minimums raised", "market inactive", "B out of margin"),
            seconds=(80.0, 100.0),
        ),
    ),
    "highest-is-newest": Weakening(
        34,
        "the highest trade id is the newest truth",
        lambda: managers(None, highest_is_newest),
        _aimed("public id far ahead", "public trade lies", peer_watch=1.0),
    ),
    "sum-agrees": Weakening(
        35,
        "a size that agrees with the sum is true",
        lambda: managers(None, sum_agrees),
        _aimed("public trade lies", "public stream lies until reconnect", peer_watch=1.0),
    ),
    "frames-stay": Weakening(
        36,
        "what the stream said stays in the book",
        lambda: managers(frames_stay, frames_stay),
        _aimed("own trade lies", "own stream lies until reconnect", "trade under another id"),
    ),
    "newer-contains-older": Weakening(
        75,
        "the newer statement of A contains the older fills",
        lambda: managers(newer_contains_older),
        _aimed("frame dropped", fill_every_s=1.0, peer_watch=1.0),
    ),
    "whatever-executes": Weakening(
        37,
        "whatever executed is taken",
        lambda: managers(None, whatever_executes),
        _aimed("decimals changed", fill_every_s=1.0),
    ),
    "acts-alone": Weakening(
        78,
        "at the time-out A acts alone",
        lambda: managers(any_ledger_is_leave, never_stops),
        GENERAL,
    ),
    "ledger-is-now": Weakening(
        79,
        "the ledger says that B owes it, fresh",
        lambda: managers(any_ledger_is_now),
        Profile(
            faults=(),
            always=(
                "rows listed late",
                "trades listed late",
                "transactions listed late",
                "stream lost",
                "frame dropped",
                "answer lost",
                "read failed",
                "cut from exchange",
            ),
            seconds=(40.0, 60.0),
            fill_every_s=2.0,
            same_host=0.0,
        ),
    ),
    "last-words-show-it": Weakening(
        82,
        "the last fresh words of both show it",
        lambda: managers(None, last_words_show_it),
        GENERAL,
        words=True,
    ),
    "wider-cap": Weakening(
        48,
        "a refused hedge gets a wider cap",
        lambda: managers(None, refused_gets_a_wider_cap),
        _aimed("quote limit", fill_every_s=1.0, whole_fills=True),
    ),
    "own-is-the-market": Weakening(
        59,
        "the best bid is the market",
        lambda: managers(own_is_the_market, own_is_the_market),
        Profile(
            faults=(),
            always=("others fall away",),
            seconds=(30.0, 45.0),
            fill_every_s=20.0,
        ),
    ),
    "a-level-is-a-price": Weakening(
        60,
        "a level is a price worth quoting",
        lambda: managers(a_level_is_a_price),
        Profile(faults=(), always=("bait",), seconds=(15.0, 30.0)),
    ),
    "a-best-price-is-near": Weakening(
        60,
        "a cap made from the best price is near enough",
        lambda: managers(None, the_book_is_no_bait),
        _aimed("bait", "others fall away", "thin book", seconds=(20.0, 40.0), fill_every_s=1.0),
    ),
    "may-pass-with-time": Weakening(
        39,
        "any code that is not a key code may pass with time",
        lambda: managers(None, may_pass_with_time),
        Profile(
            faults=(),
            always=("key may only post", "SDK outdated", "command: resume"),
            seconds=(90.0, 120.0),
        ),
    ),
    "no-answer-so-fence": Weakening(
        40,
        "no answer that counts, so fence",
        no_answer_so_fence,
        Profile(
            faults=(),
            always=("quota spent",),
            seconds=(30.0, 50.0),
            fill_every_s=0.5,
        ),
    ),
    "default-is-the-account-s": Weakening(
        41,
        "the market's default margin is the account's",
        lambda: Tools(parts=default_is_the_account_s),
        Profile(faults=(), always=("leverage",), seconds=(60.0, 80.0)),
    ),
    "polls-again-later": Weakening(
        65,
        "a poll that does not reach back is tried again later",
        lambda: managers(None, polls_again_later),
        Profile(
            faults=(),
            always=("busy market", "public frame dropped", "A away"),
            seconds=(40.0, 60.0),
            fill_every_s=1.5,
            same_host=0.0,
            peer_watch=1.0,
        ),
    ),
}

NOT_EXPRESSED = {
    61: "nothing is quoted off mark, and a hedge that finds nothing has a book read: a still book "
    "costs seconds only; `tests/unit/venue/test_streams.py` and the scene `price-frames-stop` of "
    "`tests.accept` have it",
    74: "B answers nothing of an A that nothing shows, so its word is no loss any more; "
    "`tests/unit/venue/test_witness.py` and `tests/faults/test_listings.py` have it",
    50: "a fence that goes on costs time, and breaks no promise since each wait is said; "
    "`tests/simulation/test_apart.py` has it with the seconds of both rules",
    22: "a history of thousands of trades with nothing stored is no matter of schedules; "
    "`tests/unit/shell/test_proof.py` has it with 3,000 trades",
}

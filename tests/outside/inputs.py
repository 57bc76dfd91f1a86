"""What a person may type wrong: the exit code and the sentence, for tables of inputs.

A row writes a configuration, or a command line, and says which code and words README.md promises.
Nothing listens on the ports that are written, so an input that is accepted ends with 3 (Redis
cannot be reached). No sentence may be a traceback, show a secret, or be printed twice.
"""

# ruff: noqa: E501, RUF001 -- a row of a table is one line; full-width digits are an input

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.outside.ends import start_b, status
from tests.outside.kit import Trial, case
from tests.outside.pair import Pair
from tests.outside.processes import Process
from tests.outside.services import PYTHON, Exchange, Redis, free_port

ACCEPTED, REFUSED, ACCOUNT = 3, 2, 4
AT_A_TIME = 3
SECRET = "hunter2hunter2hunter2"
FILE = "mine.yaml"
BASE = """\
market: ETH
accounts:
  account_a:
    account_index: 280459
    api_key_index: 4
    api_key_private_key: "{key}"
  account_b:
    account_index: 280458
    api_key_index: 4
    api_key_private_key: "{key}"
redis:
  host: 127.0.0.1
  port: {redis}
lighter:
  base_url: http://127.0.0.1:{exchange}
strategy:
  quantity: "0.01"
"""
NO_LIBRARY = """
import ctypes
def refuse(path, *_, **__):
    raise OSError(f"{path}: cannot open shared object file: wrong ELF class")
ctypes.CDLL = refuse
"""
MAINNET = "https://mainnet.zklighter.elliot.ai"


@dataclass(frozen=True)
class Row:
    """One input.

    Args:
        name: What is wrong.
        change: Lines of the configuration, by the start of what they replace; a key that is new
            is added below its section, "section.key".
        words: Regular expressions that the output has to match, each.
        code: Exit code.
        file: The whole file instead, as bytes.
        env: More of the environment.
        argv: The command line; without it main_B.py --check.
        hidden: What must not be printed.
        side: Whose daemon.
    """

    name: str
    change: Mapping[str, str] = field(default_factory=dict)
    words: Sequence[str] = ()
    code: int = REFUSED
    file: bytes | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    argv: Sequence[str] = ()
    hidden: Sequence[str] = (SECRET,)
    side: str = "B"


def written(change: Mapping[str, str], redis: int = 0, exchange: int = 0) -> str:
    """The base configuration with these keys: "section.key" to the raw text of its value."""
    text = BASE.format(key="ab" * 40, redis=redis or free_port(), exchange=exchange or free_port())
    for key, value in change.items():
        *path, last = key.split(".")
        pattern = rf"(?m)^(\s*){last}:.*$"
        if len(path) == 2:  # of one account
            head, marker, tail = text.partition(f"  {path[1]}:\n")
            text = head + marker + re.sub(pattern, rf"\g<1>{last}: {value}", tail, count=1)
        elif path and not re.search(rf"(?m)^{path[0]}:$", text):
            text += f"{path[0]}:\n  {last}: {value}\n"
        elif path and not re.search(rf"(?m)^  {last}:", text):
            text = text.replace(f"{path[0]}:\n", f"{path[0]}:\n  {last}: {value}\n")
        else:
            text = re.sub(pattern, lambda hit: f"{hit[1]}{last}: {value}", text, count=1)  # noqa: B023
    return text


def run_row(trial: Trial, folder: Path, number: int, row: Row, ports: tuple[int, int]) -> Process:
    """Write a row's file and start its command."""
    name = FILE.replace(".", f"{number}.")
    data = row.file if row.file is not None else written(row.change, *ports).encode()
    (folder / name).write_bytes(data)
    (folder / name).chmod(0o600)
    argv = [PYTHON, f"main_{row.side}.py", "--config", name, "--check"]
    argv = [word.replace(FILE, name) for word in row.argv or argv]
    return trial.run(argv, folder, more=row.env, quiet=True)


def table(
    trial: Trial, rows: Sequence[Row], folder: Path | None = None, ports: tuple[int, int] = (0, 0)
) -> None:
    """Run each row and hold it to what it says."""
    trial.note_event(f"{len(rows)} inputs, each by main_A.py or main_B.py --config FILE --check")
    folder = folder or trial.checkout("inputs")
    waiting = list(enumerate(rows))
    while waiting:
        group, waiting = waiting[:AT_A_TIME], waiting[AT_A_TIME:]
        begun = [(row, run_row(trial, folder, number, row, ports)) for number, row in group]
        for row, process in begun:
            ended = trial.becomes(lambda process=process: process.code is not None, 60)  # type: ignore[misc]
            judge(trial, row, process, ended=ended)
    trial.note_event("the last input")


def judge(trial: Trial, row: Row, process: Process, *, ended: bool) -> None:
    """One row beside what it promised."""
    text, words = process.text, list(row.words)
    shown = " / ".join(line.strip() for line in text.splitlines() if line.strip())[-260:]
    trial.remark(f"{row.name}: exit {process.code}: {shown}")
    if not ended:
        trial.expect(ended, f"{row.name}: it ends within 60 s")
        process.ctrl_c()
        return
    trial.expect(process.code == row.code, f"{row.name}: exit {row.code}, not {process.code}")
    missed = [word for word in words if not re.search(word, text, re.IGNORECASE)]
    trial.expect(not missed, f"{row.name}: says {missed}: {shown[-160:]}")
    trial.expect("Traceback" not in text, f"{row.name}: no traceback")
    leaked = [secret for secret in row.hidden if secret in text]
    trial.expect(not leaked, f"{row.name}: no secret is printed")
    said = [line for line in text.splitlines() if re.search(r"\w.{30}", line)]
    trial.expect(len(said) == len(set(said)), f"{row.name}: each sentence once")
    if row.code == REFUSED and not row.argv:
        trial.expect("mine" in text, f"{row.name}: the file is named")


# --- what is written in the file -----------------------------------------------------------------


@case("3-numbers", "numbers in YAML's old notations are refused by name (2)")
def numbers(trial: Trial) -> None:
    notations = ("0123", "1_000", "0x10", "1:30", "on", "0o17", "0b11", "yes", ".inf", ".nan")
    rows = [Row(f"quantity: {n}", {"strategy.quantity": n}, ["quantity"]) for n in notations]
    rows += [
        Row("port: 0123", {"redis.port": "0123"}, ["redis.port"]),
        Row("retry_times: 0b11", {"strategy.retry_times": "0b11"}, ["retry_times"]),
        Row("depth: 0x1", {"strategy.depth": "0x1"}, ["depth"]),
        Row("force_close_timeout: 1:30", {"strategy.force_close_timeout": "1:30"}, ["force_close"]),
        Row("account_index: 0o17", {"accounts.account_a.account_index": "0o17"}, ["account_index"]),
        Row("quantity in full-width digits", {"strategy.quantity": '"０.０１"'}, ["quantity"]),
        Row("quantity: 1,5", {"strategy.quantity": "1,5"}, ["quantity"]),
        Row("max_drift_usd: 1_000", {"safety.max_drift_usd": "1_000"}, ["max_drift_usd"]),
    ]
    table(trial, rows)


@case("3-secrets", "a secret with nothing behind it, or short, is refused; ${NAME} works anywhere")
def secrets(trial: Trial) -> None:
    name = {"redis.shared_secret": "${S}"}
    table(
        trial,
        [
            Row("shared_secret, S empty", name, ["shared_secret"], env={"S": ""}),
            Row("shared_secret, S not set", name, ["shared_secret", r"\bS\b"]),
            Row("shared_secret, S short", name, ["shared_secret"], env={"S": "abc"}),
            Row("shared_secret, S blanks", name, ["shared_secret"], env={"S": " " * 40}),
            Row("shared_secret good", name, [], ACCEPTED, env={"S": SECRET * 3}),
            Row("$S", {"redis.shared_secret": "$SECRET_NAME"}, [r"\$\{", "no variable"]),
            Row("password: $P", {"redis.password": "$PASS"}, [r"\$\{", "no variable"], env={"PASS": SECRET}),
            Row("quantity: ${Q}", {"strategy.quantity": "${Q}"}, [], ACCEPTED, env={"Q": "0.02"}),
            Row("${Q} is 0123", {"strategy.quantity": "${Q}"}, ["quantity"], env={"Q": "0123"}),
            Row("port: ${P}", {"redis.port": "${P}"}, ["6399"], ACCEPTED, env={"P": "6399"}),
            Row("${Q} not set", {"strategy.quantity": "${Q}"}, ["quantity", r"\bQ\b"]),
            Row("quantity: $Q", {"strategy.quantity": "$Q"}, [r"\$\{", "no variable"], env={"Q": "0.01"}),
            Row(
                "a private key with blanks around it",
                {"accounts.account_b.api_key_private_key": "${K}"}, [], ACCEPTED,
                env={"K": "  " + "ab" * 40 + " \n"},
            ),
        ],
    )  # fmt: skip


@case("3-files", "a file that is no YAML in UTF-8: one sentence with the line (2)")
def files(trial: Trial) -> None:
    base = written({})
    table(
        trial,
        [
            Row("a full-width colon", words=["line 1|market"], file=base.replace("market:", "market：").encode()),
            Row("a tab", words=["tab", "line 12"], file=base.replace("  host", "\thost").encode()),
            Row("GBK", words=["UTF-8", "line 1"], file=("# 品种\n" + base).encode("gbk")),
            Row("GBK in line 3", words=["UTF-8", "line 3"], file=("#\n#\n# 品种\n" + base).encode("gbk")),
            Row("UTF-16", words=["UTF-8"], file=base.encode("utf-16")),
            Row("with a BOM", code=ACCEPTED, file=base.encode("utf-8-sig")),
            Row("Windows line ends", code=ACCEPTED, file=base.replace("\n", "\r\n").encode()),
            Row("a NUL byte", words=["line|character"], file=base.encode() + b"#\0\n"),
            Row("a key twice", words=["market", "twice|duplicate|line"], file=b"market: BTC\n" + base.encode()),
            Row("a list", words=["mapping|keys|list"], file=b"- market\n"),
            Row("nothing", words=["account"], file=b""),
            Row("an unclosed quote", words=["line"], file=base.replace('"0.01"', '"0.01').encode()),
            Row("a key that is unknown", {"strategy.quantitty": "1"}, ["quantitty"]),
            Row("a blank around a key's name", words=["market"], file=base.replace("market:", '" market ":').encode()),
            Row("a directory as the file", words=["/tmp|directory"], argv=[PYTHON, "main_B.py", "--config", "/tmp"]),
            Row("no such file", words=["nowhere.yaml"], argv=[PYTHON, "main_B.py", "--config", "nowhere.yaml"]),
        ],
    )  # fmt: skip


@case("3-values", "values beyond what holds the promise are refused with the reason (2)")
def values(trial: Trial) -> None:
    real = {"lighter.base_url": MAINNET}
    table(
        trial,
        [
            Row("slippage 600", {"strategy.max_slippage_bps": "600"}, ["max_slippage_bps", "500|5 %"]),
            Row("depth 51", {"strategy.depth": "51"}, ["depth", "50"]),
            Row("depth 50", {"strategy.depth": "50"}, [], ACCEPTED),
            Row("requote twice", {"strategy.requote_ticks": "5", "strategy.requote_bps": "1"}, ["requote_bps", "requote_ticks"]),
            Row("force_close 10, real", real | {"strategy.force_close_timeout": "10"}, ["force_close_timeout", "30"]),
            Row("ready_ttl 86400", {"timing.ready_ttl_s": "86400"}, ["ready_ttl_s", "8"]),
            Row("view_lag 1, real", real | {"timing.view_lag_s": "1"}, ["view_lag_s", "5"]),
            Row("tick 0", {"timing.tick_s": "0"}, ["tick_s"]),
            Row("retry_delay -1", {"strategy.retry_delay_s": "-1"}, ["retry_delay_s"]),
            Row("max_fill 0", {"safety.max_fill_base_amount": "0"}, ["max_fill_base_amount"]),
            Row("quantity 0", {"strategy.quantity": '"0"'}, ["quantity"]),
            Row("quantity -1", {"strategy.quantity": '"-1"'}, ["quantity"]),
            Row("quantity above max_fill", {"safety.max_fill_base_amount": '"0.005"'}, ["quantity", "max_fill_base_amount"], side="A"),
            Row("quantity above max_position", {"safety.max_position_base_amount": '"0.005"'}, ["quantity", "max_position_base_amount"], side="A"),
            Row("beats longer than the heartbeat", {"timing.beat_s": "2", "timing.ready_ttl_s": "1"}, ["beat_s|ready_ttl_s"]),
            Row("renewed later than it lives", {"timing.lease_renew_s": "15", "timing.lease_ttl_s": "10"}, ["lease"]),
        ],
    )  # fmt: skip


@case("3-bounds", "every key whose bounds README states is refused beyond them, by name (2)")
def bounds(trial: Trial) -> None:
    folder = trial.checkout("inputs")
    rows = []
    for line in (folder / "README.md").read_text(encoding="utf-8").splitlines():
        found = re.match(r"\| `((?:timing|strategy|lighter|safety|logging|redis)\.\w+)` \|", line)
        allowed = line.split("|")[5] if found else ""
        most = re.search(r"(?:at most|\bto) (\d+)", allowed)
        if found and most:
            key, value = found[1], int(most[1]) + 1
            rows.append(Row(f"{key}: {value}", {key: str(value)}, [re.escape(key)]))
    trial.expect(len(rows) >= 40, f"README states bounds of {len(rows)} keys")
    table(trial, rows, folder)


@case("3-accounts", "a wrong account or API key index is refused with the reason (2)")
def accounts(trial: Trial) -> None:
    index, key = "accounts.account_b.account_index", "accounts.account_b.api_key_index"
    rows = [
        Row("account 2^48", {index: str(1 << 48)}, ["wallet address"]),
        Row("a wallet address", {index: "0x" + "1f" * 20}, ["wallet address|account_index"]),
        Row("a wallet address in quotes", {index: f'"0x{"1f" * 20}"'}, ["wallet address"]),
        Row("key index 255", {key: "255"}, ["api_key_index", "254"]),
        Row("both the same account", {index: "280459"}, ["account_index|same account"]),
        Row("no account index", {index: ""}, ["account_index"]),
        Row("a key too short", {"accounts.account_b.api_key_private_key": "abcd"}, ["private_key"]),
    ]  # fmt: skip
    table(trial, rows)


@case("3-addresses", "addresses: IPv6 in brackets, paths, plain http, passwords that are not shown")
def addresses(trial: Trial) -> None:
    url, host = "lighter.base_url", "redis.host"
    name = {"redis.master_name": "mymaster"}
    table(
        trial,
        [
            Row("base_url with a path", {url: "https://mainnet.zklighter.elliot.ai/api/v1"}, ["base_url", "path|/api/v1"]),
            Row("plain http elsewhere", {url: "http://192.0.2.7:8790"}, ["base_url", "https"]),
            Row("plain http by name", {url: "http://mainnet.zklighter.elliot.ai"}, ["base_url", "https"]),
            Row("no scheme", {url: "mainnet.zklighter.elliot.ai"}, ["base_url", "https"]),
            Row("ws plain elsewhere", {"lighter.ws_url": "ws://192.0.2.7/stream"}, ["ws_url", "wss"]),
            Row("a password in base_url", {url: f"https://me:{SECRET}@mainnet.zklighter.elliot.ai"}, ["base_url"]),
            Row("a password in redis.host", {host: f"redis://:{SECRET}@127.0.0.1"}, ["redis.host"]),
            Row("a password before @", {host: f"me:{SECRET}@127.0.0.1"}, ["redis.host"]),
            Row("IPv6 host", {host: '"::1"'}, [r"\[::1\]"], ACCEPTED),
            Row("IPv6 host in brackets", {host: '"[::1]"'}, [r"\[::1\]"], ACCEPTED),
            Row("IPv6 exchange", {url: '"http://[::1]:8790"'}, [], ACCEPTED),
            Row("IPv6 Sentinel", name | {"redis.sentinels": '["[::1]:26379"]'}, [r"\[::1\]"], ACCEPTED),
            Row("IPv6 Sentinel, no brackets", name | {"redis.sentinels": '["::1:26379"]'}, ["sentinels", "brackets"]),
            Row("a Sentinel without a port", name | {"redis.sentinels": '["127.0.0.1"]'}, ["sentinels", "port"]),
            Row("host with a port", {host: "127.0.0.1:6388"}, ["redis.host", "port"]),
        ],
    )  # fmt: skip


# --- what stands at the other end ----------------------------------------------------------------


@case("3-redis", "Redis Cluster, a login without EVAL, no Redis at all: said in a sentence")
def kinds_of_redis(trial: Trial) -> None:
    folder = trial.checkout("inputs")
    exchange = Exchange(trial, trial.exchange_folder(folder))
    cluster = Redis(trial, folder, ("--cluster-enabled", "yes"))
    plain, locked = Redis(trial, folder), Redis(trial, folder, ("--requirepass", SECRET))
    rights = ["allkeys", "allchannels", "+@all"]
    for lost in ("eval", "evalsha", "subscribe", "type"):
        plain.cli("ACL", "SETUSER", f"no{lost}", "on", f">{SECRET}", *rights, f"-{lost}")

    def at(port: int, **more: str) -> dict[str, str]:
        return {"redis.port": str(port)} | {f"redis.{key}": value for key, value in more.items()}

    rows = [
        Row("Redis Cluster", at(cluster.port), ["cluster"]),
        Row("no password", at(locked.port), ["password"], ACCEPTED),
        Row("a wrong password", at(locked.port, password="wrong" * 4), ["password"], ACCEPTED),
        Row("HTTP instead of Redis", at(exchange.port), [str(exchange.port)], ACCEPTED),
    ]
    rows += [
        Row(f"a login without {lost.upper()}", at(plain.port, username=f"no{lost}", password=SECRET), [lost], ACCEPTED)
        for lost in ("eval", "evalsha", "subscribe", "type")
    ]  # fmt: skip
    table(trial, rows, folder, (0, exchange.port))


@case("3-exchange", "TLS spoken to a plain port, no exchange there: named with its address")
def kinds_of_exchange(trial: Trial) -> None:
    folder = trial.checkout("inputs")
    exchange, redis = Exchange(trial, trial.exchange_folder(folder)), Redis(trial, folder)
    rows = [
        Row("https to a plain port", {"lighter.base_url": f"https://127.0.0.1:{exchange.port}"}, ["TLS|certificate", str(exchange.port)], ACCEPTED),
        Row("Redis instead of the exchange", {"lighter.base_url": f"http://127.0.0.1:{redis.port}"}, [str(redis.port)], ACCEPTED),
        Row("a market that is not there", {"market": "DOGE9"}, ["DOGE9"]),
        Row("a key that is not registered", {}, ["key"], ACCOUNT),
        Row("an account that is not there", {"accounts.account_b.account_index": "99999999"}, ["99999999"], ACCOUNT),
    ]  # fmt: skip
    table(trial, rows, folder, (redis.port, exchange.port))


@case("3-own-apps", "an API key index of Lighter's own apps at a first start: refused, why (2)")
def own_apps(trial: Trial) -> None:
    pair = Pair(trial)
    b = pair.accounts[1]
    trial.note_event("key indexes 0 to 3 for B")
    for index in range(4):
        own = {
            "accounts__account_b__api_key_index": index,
            "accounts__account_b__api_key_private_key": pair.make_keys(b, index=index)[0],
        }
        for more in ((), ("--check",)):
            begun = pair.b(*more, config=pair.configure(f"mine{index}.yaml", **own))
            ended = trial.becomes(lambda begun=begun: begun.code is not None, 20)  # type: ignore[misc]
            words = ["api_key_index", "own apps|Lighter's"]
            row = Row(f"key index {index} {' '.join(more)}", words=words, argv=more)
            judge(trial, row, begun, ended=ended)


@case("3-foreign", "foreign, huge and odd values under our names: named and counted, B hedges on")
def foreign_values(trial: Trial) -> None:
    pair = Pair(trial, settings={"accounts.account_b.account_name": "hedger-of-berlin"})
    hedger = start_b(trial, pair)
    trial.note_event("foreign values")
    for text in ("[1, 2]", '"x"', "12", "null", "{", "\\xff", "true"):
        pair.redis.cli("PUBLISH", "hedge:account_a_filled", text)
    pair.redis.cli("LPUSH", "hedge:position:a", "1")
    pair.redis.cli("DEL", "hedge:halt")
    pair.redis.cli("EVAL", "redis.call('set', 'hedge:ready:a', string.rep('x', 5000000))", "0")
    trial.pause(8)
    code, text = status(pair)
    trial.remark(f"status {code}: {' / '.join(text.split(chr(10)))[:900]}")
    trial.expect("hedger-of-berlin" in text, "status calls the account by its name")
    trial.expect(
        bool(re.search("position:a", hedger.text + text)), "the list under our name is named"
    )
    trial.expect(bool(re.search("5000000|long|large|length|bytes", hedger.text + text)), "a huge value is named by its length")  # fmt: skip
    trial.expect(bool(re.search("refused", hedger.text + text)), "what is no object is counted")
    pair.redis.cli("DEL", "hedge:position:a", "hedge:ready:a")
    pair.publish_fill("buy", "0.0100", 1)
    trial.expect(trial.becomes(lambda: pair.positions()[1] < 0, 10), "B hedges all the same")
    pair.publish_fill("sell", "0.0100", 2)
    trial.becomes(pair.flat_sum, 10)
    trial.settle()


# --- scripts -------------------------------------------------------------------------------------


@case("3-help", "each script's --help is its own, exit code 0")
def helps(trial: Trial) -> None:
    folder = trial.checkout("inputs")
    scripts = {
        "./start_hedge.sh": "start_hedge.sh", "./stop_hedge.sh": "stop_hedge.sh",
        "./hedgectl": "hedgectl", "main_A.py": "main_A.py", "main_B.py": "main_B.py",
    }  # fmt: skip
    rows = [
        Row(
            f"{script} --help", words=[f"usage: {re.escape(own)}"], code=0,
            argv=[*([PYTHON] if script.endswith(".py") else []), script, "--help"],
        )
        for script, own in scripts.items()
    ]  # fmt: skip
    table(trial, rows, folder)


@case("3-places", "from elsewhere, by a link, under a path with a blank: the caller's file is read")
def places(trial: Trial) -> None:
    folder = trial.checkout("a blank")
    away = trial.folder / "away"
    away.mkdir()
    (away / FILE).write_text(written({"strategy.quantity": "0x10"}), encoding="utf-8")
    (away / FILE).chmod(0o600)
    (away / "begin").symlink_to(folder / "start_hedge.sh")
    (away / "ctl").symlink_to(folder / "hedgectl")
    commands = {
        "a relative --config": [str(folder / "start_hedge.sh"), "--config", FILE],
        "a link to the start": ["./begin", "--config", FILE],
        "a link to hedgectl": ["./ctl", "status", "--config", FILE],
        "the stop": [str(folder / "stop_hedge.sh"), "--config", FILE],
    }
    trial.note_event("commands from another folder")
    for name, argv in commands.items():
        process = trial.finish(trial.run(argv, away))
        row = Row(name, words=[FILE, "quantity"])
        judge(trial, row, process, ended=True)
    trial.expect(not (away / "logs").exists(), "no log beside the caller's file")


@case(
    "3-proxy", "--paper behind a proxy in the environment: a cycle is done, no real log is written"
)
def behind_a_proxy(trial: Trial) -> None:
    folder = trial.checkout("inputs")
    port = free_port()
    names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
    more = dict.fromkeys(names, f"http://127.0.0.1:{port}") | {"NO_PROXY": "", "no_proxy": ""}
    trial.note_event("./start_hedge.sh --paper --cycles 1 behind a proxy that is dead")
    argv = ["./start_hedge.sh", "--paper", "--cycles", "1"]
    process = trial.run(argv, folder, more=more)
    ended = trial.becomes(lambda: process.code is not None, 240)
    trial.expect(ended and process.code == 0, f"it ends with 0, not {process.code}")
    trial.expect(process.said("SUMMARY cycles=1"), "a cycle is done")
    mine = [path.name for path in (folder / "logs").glob("main_*.log")]
    trial.expect(not mine, f"nothing is written into the real pair's logs: {mine}")
    if not ended:
        process.ctrl_c()
        trial.becomes(lambda: process.code is not None, 60)


@case("3-link-broken", "a signer library that cannot load: named with the platform")
def no_signer(trial: Trial) -> None:
    folder = trial.checkout("inputs")
    fake = folder / "fake"
    fake.mkdir()
    (fake / "sitecustomize.py").write_text(NO_LIBRARY, encoding="utf-8")
    exchange, redis = Exchange(trial, trial.exchange_folder(folder)), Redis(trial, folder)
    row = Row(
        "lighter cannot load", words=["x86_64|amd64|Linux|platform|machine"], code=REFUSED,
        env={"PYTHONPATH": str(fake)},
        argv=[PYTHON, "main_B.py", "--config", FILE, "--check"],
    )  # fmt: skip
    table(trial, [row], folder, (redis.port, exchange.port))


@case("3-fill-limit", "a trade of A beyond safety.max_fill_base_amount halts, and is hedged")
def fill_limit(trial: Trial) -> None:
    pair = Pair(trial, settings={"safety.max_fill_base_amount": "0.03"})
    start_b(trial, pair)
    maker = pair.a()
    trial.until(lambda: pair.resting() > 0, "A's order")
    pair.exchange.fault(
        "foreign_trade", account_index=pair.accounts[0], side="buy", base_amount="0.0500"
    )
    halted = trial.becomes(lambda: maker.said("HALT reason=|halted"), 15)
    trial.expect(halted, "A halts")  # a stranger's trade has a reason of its own
    trial.remark(f"fill_limit is said: {maker.said('fill_limit')}")
    began_s = time.monotonic()
    trial.expect(trial.becomes(pair.flat_sum, 20), "the trade is hedged")
    trial.remark(f"A + B was 0 after {time.monotonic() - began_s:.1f} s; {status(pair)[1][:200]!r}")
    trial.settle()

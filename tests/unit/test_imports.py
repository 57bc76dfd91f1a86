"""The shape of the program: who may import whom, and how long modules and functions may be."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 60

PRODUCT = sorted(
    [
        *ROOT.glob("*.py"),
        *(ROOT / "hedge").rglob("*.py"),
        *(ROOT / "paper").rglob("*.py"),
    ]
)

# The core decides; whatever does I/O, tells the time or draws a random number stays outside.
FORBIDDEN_IN_CORE = {
    "aiohttp",
    "asyncio",
    "concurrent",
    "datetime",
    "hiredis",
    "lighter",
    "logging",
    "os",
    "pathlib",
    "pydantic",
    "random",
    "redis",
    "requests",
    "secrets",
    "signal",
    "socket",
    "subprocess",
    "threading",
    "time",
    "uuid",
    "uvloop",
    "websockets",
    "yaml",
}

# Layers, lowest first. A module may import its own layer and the ones below it.
LAYERS = (
    ("hedge.core",),
    ("hedge.errors", "hedge.config", "hedge.config_reader", "hedge.config_schema"),
    (
        "hedge.bus",
        "hedge.clock",
        "hedge.host_os",
        "hedge.host_state",
        "hedge.logs",
        "hedge.outcomes",
        "hedge.proof",
        "hedge.venue",
        "redis_messenger",
    ),
    (
        "account_a_manager",
        "account_b_manager",
        "hedge.answering",
        "hedge.answers",
        "hedge.bookkeeping",
        "hedge.by_hand",
        "hedge.catching",
        "hedge.course",
        "hedge.drift",
        "hedge.halting",
        "hedge.hearing",
        "hedge.leasing",
        "hedge.market_facts",
        "hedge.orders",
        "hedge.outbox",
        "hedge.pair_state",
        "hedge.parts",
        "hedge.rounds",
        "hedge.sending",
        "hedge.shell",
        "hedge.statements",
        "hedge.status",
        "hedge.voice",
        "hedge.watching",
    ),
    (
        "main_A",
        "main_B",
        "hedge.diagrams",
        "hedge.embedded_redis",
        "hedge.launch",
        "hedge.up",
        "hedgectl",
    ),
)


def name_of(path: Path) -> str:
    """Return the dotted name of a product module."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path) -> Iterator[str]:
    """Yield every module that a file imports, also inside functions, as a dotted name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module is not None
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_within(module: str, package: str) -> bool:
    """Whether a dotted name is the package or lies in it."""
    return module == package or module.startswith(package + ".")


def layer_of(module: str) -> int | None:
    """Return the index of the module's layer, None for what is in no layer."""
    for index, packages in enumerate(LAYERS):
        if any(is_within(module, package) for package in packages):
            return index
    return None


def ids(paths: list[Path]) -> list[str]:
    """Return readable test ids."""
    return [str(path.relative_to(ROOT)) for path in paths]


CORE = [path for path in PRODUCT if is_within(name_of(path), "hedge.core")]
PAPER = [path for path in PRODUCT if is_within(name_of(path), "paper")]


@pytest.mark.parametrize("path", CORE, ids=ids(CORE))
def test_core_is_pure(path: Path) -> None:
    """A core module imports no clock, no chance, no log, no client and nothing of the shells."""
    for module in imports_of(path):
        assert module.split(".")[0] not in FORBIDDEN_IN_CORE, module
        if is_within(module, "hedge"):
            assert module == "hedge" or is_within(module, "hedge.core"), module


@pytest.mark.parametrize("path", PRODUCT, ids=ids(PRODUCT))
def test_imports_point_one_way(path: Path) -> None:
    """Mains import managers, managers import messenger and venue, these import the core."""
    own = layer_of(name_of(path))
    if own is None:
        return
    for module in imports_of(path):
        other = layer_of(module)
        assert other is None or other <= own, f"{name_of(path)} imports {module}"


@pytest.mark.parametrize("path", PAPER, ids=ids(PAPER))
def test_paper_exchange_knows_nothing_of_the_pair(path: Path) -> None:
    """The paper exchange shares no code with the daemons, so they cannot share a mistake."""
    for module in imports_of(path):
        assert not is_within(module, "hedge"), module
        assert layer_of(module) is None, module


@pytest.mark.parametrize("path", PRODUCT, ids=ids(PRODUCT))
def test_only_the_adapter_imports_the_sdk(path: Path) -> None:
    """Only the venue's adapter and the paper start, which makes keys, import the SDK."""
    allowed = ("hedge.venue", "hedge.up", "paper")
    if any(is_within(name_of(path), package) for package in allowed):
        return
    assert not [module for module in imports_of(path) if is_within(module, "lighter")]


@pytest.mark.parametrize("path", PRODUCT, ids=ids(PRODUCT))
def test_modules_and_functions_stay_short(path: Path) -> None:
    """No module is longer than 400 lines, no function longer than 60."""
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MAX_MODULE_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            length = node.end_lineno - node.lineno + 1
            assert length <= MAX_FUNCTION_LINES, f"{node.name} has {length} lines"

"""The shape of the program: the rooms, who may import whom, and how long a function may be."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MAX_FUNCTION_LINES = 60

PRODUCT = sorted(
    [
        *ROOT.glob("*.py"),
        *(ROOT / "hedge").rglob("*.py"),
        *(ROOT / "paper").rglob("*.py"),
        *(ROOT / "tools").rglob("*.py"),
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

# The rooms of the program, lowest first. A module may import its own room and the rooms on lower
# floors; rooms on one floor do not know each other.
FLOORS = (
    ("hedge.errors",),
    ("hedge.core",),
    ("hedge.wire", "hedge.config"),
    ("hedge.exchange", "hedge.bus"),
    ("redis_messenger",),
    ("hedge.daemon",),
    ("hedge.maker", "hedge.hedger", "hedge.operator"),
    ("account_a_manager", "account_b_manager", "hedge.launcher"),
    ("main_A", "main_B", "hedgectl", "tools"),
)
# A room inside a room: what its parent may not import of it. The port knows no adapter, and the
# shared vocabulary of the cores knows neither core.
INNER_ROOMS = {
    "hedge.exchange": ("hedge.exchange.lighter",),
    "hedge.core": ("hedge.core.maker", "hedge.core.hedger"),
}


def name_of(path: Path) -> str:
    """Return the dotted name of a product module."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def nodes_of(path: Path) -> tuple[ast.AST, ...]:
    """Return every node of a file; each file is parsed once for all rules."""
    return tuple(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def imports_of(path: Path) -> Iterator[str]:
    """Yield every module that a file imports, also inside functions, as a dotted name."""
    for node in nodes_of(path):
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


def room_of(module: str) -> str | None:
    """Return the room in which a module lies, None for what is in no room."""
    rooms = [room for floor in FLOORS for room in floor if is_within(module, room)]
    return rooms[0] if rooms else None


def floor_of(room: str) -> int:
    """Return the number of the floor on which a room lies, 0 for the lowest."""
    return next(number for number, floor in enumerate(FLOORS) if room in floor)


def back_arrow(module: str, imported: str) -> str | None:
    """Return why a module may not import another one, None if it may."""
    own, other = room_of(module), room_of(imported)
    if own is None or other is None:
        return None
    if own == other:
        inner = INNER_ROOMS.get(own, ())
        here = next((room for room in inner if is_within(module, room)), own)
        there = next((room for room in inner if is_within(imported, room)), own)
        allowed = there in (here, own)
        return None if allowed else f"{here} knows nothing of {there}"
    return None if floor_of(other) < floor_of(own) else f"{own} stands below or beside {other}"


CORE = [path for path in PRODUCT if is_within(name_of(path), "hedge.core")]
PAPER = [path for path in PRODUCT if is_within(name_of(path), "paper")]


def imports(paths: list[Path]) -> Iterator[tuple[str, str]]:
    """Yield (module, imported) for every import in these files."""
    assert paths
    for path in paths:
        yield from ((name_of(path), imported) for imported in imports_of(path))


def test_core_is_pure() -> None:
    """A core module imports no clock, no chance, no log, no client and nothing of the shells."""
    for module, imported in imports(CORE):
        assert imported.split(".")[0] not in FORBIDDEN_IN_CORE, (module, imported)
        if is_within(imported, "hedge"):
            own = imported == "hedge" or is_within(imported, "hedge.core")
            assert own, (module, imported)


# What scripts and tools decide is pure too: the module, what it may know of the program, and what
# it may import although a core may not.
PURE_OUTSIDE_CORE = {
    "hedge.launcher.decisions": (
        ("hedge.errors", "hedge.operator.status", "hedge.daemon.commands", "hedge.wire.state"),
        set[str](),
    ),
    "hedge.operator.decisions": (
        (
            "hedge.core",
            "hedge.errors",
            "hedge.operator.status",
            "hedge.wire",
            "hedge.daemon.advice",
            "hedge.daemon.commands",
        ),
        set[str](),
    ),
    "hedge.operator.status": (
        (
            "hedge.core",
            "hedge.wire",
            "hedge.bus.port",
            "hedge.daemon.advice",
            "hedge.daemon.commands",
        ),
        {"datetime"},  # words the moment of a halt in local time
    ),
}


@pytest.mark.parametrize("module", PURE_OUTSIDE_CORE)
def test_decisions_of_scripts_are_pure(module: str) -> None:
    """What a script decides has no clock, process or link, so that the simulator can run it."""
    path = ROOT / Path(*module.split(".")).with_suffix(".py")
    known, excused = PURE_OUTSIDE_CORE[module]
    for imported in imports_of(path):
        assert imported.split(".")[0] not in FORBIDDEN_IN_CORE - excused, imported
        if is_within(imported, "hedge"):
            assert any(is_within(imported, one) for one in known), imported


HEDGE = [path for path in PRODUCT if not is_within(name_of(path), "paper")]


def test_every_module_lies_in_a_room() -> None:
    """A module that lies in no room, or flat in `hedge/` beside the errors, has lost its way."""
    modules = {name_of(path) for path in HEDGE} - {"hedge"}
    assert [module for module in sorted(modules) if room_of(module) is None] == []
    flat = {path.name for path in HEDGE if path.parent == ROOT / "hedge"}
    assert flat == {"__init__.py", "errors.py"}


def test_imports_point_one_way() -> None:
    """Mains import managers, managers import maker, hedger and daemon, these bus and exchange."""
    arrows = {
        (module, imported): back_arrow(module, imported) for module, imported in imports(HEDGE)
    }
    assert {arrow: reason for arrow, reason in arrows.items() if reason is not None} == {}


@pytest.mark.parametrize(
    ("module", "imported"),
    [
        ("hedge.core.book", "hedge.wire.codec"),
        ("hedge.core.book", "hedge.core.maker.state"),
        ("hedge.core.maker.step", "hedge.core.hedger.state"),
        ("hedge.exchange.fence", "hedge.exchange.lighter.rest"),
        ("hedge.bus.port", "hedge.exchange.port"),
        ("hedge.daemon.lease", "hedge.operator.status"),
        ("hedge.maker.latency", "hedge.hedger.catch_up"),
        ("hedge.hedger.statements", "hedge.operator.status"),
        ("hedge.operator.status", "hedge.launcher.pair"),
    ],
)
def test_an_arrow_back_is_convicted(module: str, imported: str) -> None:
    """The rule itself finds imports that point the wrong way."""
    assert back_arrow(module, imported) is not None


def test_paper_exchange_knows_nothing_of_the_pair() -> None:
    """The paper exchange shares no code with the daemons, so they cannot share a mistake."""
    for module, imported in imports(PAPER):
        assert not is_within(imported, "hedge"), (module, imported)
        assert room_of(imported) is None, (module, imported)


def test_only_the_adapter_imports_the_sdk() -> None:
    """Nothing imports the SDK by name; `hedge.exchange.lighter.sdk` loads its signer alone."""
    assert [one for one in imports(PRODUCT) if is_within(one[1], "lighter")] == []


def test_functions_stay_short() -> None:
    """No function is longer than 60 lines."""
    for path in PRODUCT:
        for node in nodes_of(path):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                length = node.end_lineno - node.lineno + 1
                assert length <= MAX_FUNCTION_LINES, f"{path}: {node.name} has {length} lines"

"""The commands of a checkout, by the names under which users know them."""

import re
from pathlib import Path

from tests.public.shapes import joined
from tests.public.world import until
from tests.world.warm import Command, Result, Warm

_EXEC = re.compile(r'^exec \.venv/bin/python (-m .*) "\$@"$', re.MULTILINE)


class Programs:
    """Runs the commands of the checkout at `root`."""

    def __init__(self, root: Path, warm: Warm) -> None:
        self._root = root
        self._warm = warm

    def start(self, program: str, *arguments: str | Path) -> Command:
        """Start `program`, such as "main_A.py", "hedgectl.py status" or "start_hedge.sh"."""
        script, *words = program.split()
        if script == "python":
            return self._warm.start(*words, *arguments)
        if script.endswith(".sh"):
            return self._warm.start(*module_of(self._root / script), *words, *arguments)
        return self._warm.start(script, *words, *arguments)

    def result(self, program: str, *arguments: str | Path) -> Result:
        """Run `program` to its end."""
        return ended(self.start(program, *arguments), program)


def module_of(script: Path) -> list[str]:
    """Return what a start or stop script hands to Python: -m, a module, and options."""
    found = _EXEC.search(script.read_text(encoding="utf-8"))
    assert found is not None, f"{script.name} does not end in a module"
    return found.group(1).split()


def name_of(program: str, why: str) -> str:
    """Return the name of an exit code's entry."""
    return joined("exit code", program, why)


def ended(command: Command, what: str) -> Result:
    """Wait for the end of a command, and return how it ended."""
    result = until(lambda: command.result, f"the end of {what}")
    assert result is not None
    return result

"""A command line whose complaint is one sentence, as every other complaint of the program is."""

import argparse
from typing import Any, NoReturn

from hedge.errors import ConfigError


class SentenceParser(argparse.ArgumentParser):
    """A parser that raises its complaint instead of printing usage; `see` is what tells more."""

    def __init__(self, *, see: str, **described: Any) -> None:
        """Keep where the help is, as the user would type it; the rest is `ArgumentParser`'s."""
        super().__init__(**described)
        self._see = see

    def error(self, message: str) -> NoReturn:
        """Raise what is wrong with the command line, and where the help is. Raises ConfigError."""
        raise ConfigError(f"{message} (see {self._see})")

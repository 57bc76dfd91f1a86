"""The commands that the program's own sentences name, so written that they can be copied.

They are typed in the program's folder; `host_os.commands_for` knows how on this host.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Commands:
    """How to type a command for one pair; `option` is " --config FILE", or empty.

    `market` is the symbol to start in, "" for the configuration's; `play` is how a run on the paper
    exchange, which ends with it, is continued instead of `option`: " --paper --keep", or empty.
    """

    option: str = ""
    tool: str = "./hedgectl"
    start_script: str = "./start_hedge.sh"
    stop_script: str = "./stop_hedge.sh"
    kill_tool: str = "kill -9"
    signal_tool: str = "kill"
    market: str = ""
    play: str = ""

    def hedgectl(self, words: str) -> str:
        """Return an operator's command, as "resume"."""
        return f"`{self.tool} {words}{self.option}`"

    @property
    def status(self) -> str:
        """The command that shows how the pair is."""
        return self.hedgectl("status")

    @property
    def resume(self) -> str:
        """The command that releases halts once the pair is covered."""
        return self.hedgectl("resume")

    @property
    def resume_by_force(self) -> str:
        """The command that releases halts and takes both positions as they are."""
        return self.hedgectl('resume --force --reason "…"')

    @property
    def flatten(self) -> str:
        """The command that closes both positions."""
        return self.hedgectl("flatten")

    @property
    def flatten_by_force(self) -> str:
        """The command that closes one side alone."""
        return self.hedgectl("flatten --force")

    def signal(self, pid: int | None) -> str:
        """Return what asks one process to stop, in words where there is no command for it."""
        return f"`{self.signal_tool} {pid}`" if pid and self.signal_tool else "a signal to it"

    def start_again(self, frozen: tuple[int, ...] = ()) -> str:
        """Return what leads out where a process is gone, or `frozen` on this host."""
        ends = [f"`{self.kill_tool} {pid}`" for pid in frozen]
        return ", then ".join([*ends, self.stop, self.start])

    @property
    def start(self) -> str:
        """The script that starts the pair on this host."""
        return self.start_in(self.market)

    def start_in(self, symbol: str) -> str:
        """Return how the pair is started in a market, "" for the configuration's."""
        market = f" --market {symbol}" if symbol else ""
        return f"`{self.start_script}{market}{self.play or self.option}`"

    @property
    def stop(self) -> str:
        """The script that stops the pair of this host."""
        return f"`{self.stop_script}{self.option}`"


DEFAULT_COMMANDS = Commands()
"""Those for `config.yaml`."""

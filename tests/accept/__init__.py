"""What takes long, and limits of time and memory: `make accept`, on a machine of its own.

A case is a function that is registered by its decorator and returns figures, each with the limit
that it must keep; tests assert none of these, because a busy machine would make them lie:

    @case("restart", "seconds from the start of a side to its first order")
    async def restart(run: Run) -> list[Figure]:
        ...
        return [Figure("ready", seconds, "s", limit=5.0)]

Put it into a module of this package and name the module in `tests.accept.__main__.MODULES`.
"""

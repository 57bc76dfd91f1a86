"""The seeds by which general schedules show each counterexample.

`python -m tests.simulation --convict --keep` writes them.

A test plays each again. Where one is not found any more the kinds or the mix have changed (look for
seeds anew), or its rule stands: then its row goes, or becomes a weakened rule.
"""

CONVICTED: dict[int, int] = {}

"""The yardstick: the program as its user meets it, judged by the exchange's own trades.

Nothing here imports the program or its other tests, so it measures any version of it:
`python -m tests.outside --repo PATH --commit REV`. It starts scripts and processes, sends signals,
breaks links, and says what the exchange's own trades and positions say of the program's words.
"""

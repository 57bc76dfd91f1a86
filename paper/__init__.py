"""A Lighter-compatible paper exchange on loopback: `python -m paper`."""

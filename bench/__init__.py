"""Measures the pair on the paper exchange; `python -m bench`."""

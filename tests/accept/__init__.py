"""Long machines: what `make accept` runs."""

"""Pure decisions of the pair: no I/O, no clock, no event loop."""

"""The start scripts' logic: the pair, on the paper exchange or the real one."""

"""The exchange as the managers see it: one port, one real adapter."""

"""Chaos: the pair as real processes while everything around it is killed, stopped and cut."""

"""Hedging pair for Lighter: account A makes, account B takes the other side of every fill."""

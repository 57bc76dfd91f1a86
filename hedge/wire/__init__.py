"""Bytes and values: every name, message and key of Redis, read and written without I/O."""

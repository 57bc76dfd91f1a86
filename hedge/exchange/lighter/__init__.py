"""The one real adapter of the port: the Lighter exchange."""

"""The hedger decides: B's position is driven to offset minus A's newest state."""

"""Account B's process: what it hears, what it answers, who leads."""

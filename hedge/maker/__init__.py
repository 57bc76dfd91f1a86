"""Account A's process: what it states, and how it reads B."""

"""Real processes around the pair, with proxies and asserts."""

"""Everything that touches Redis: names, scripts, connections."""

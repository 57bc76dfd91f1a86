"""What both processes do around their core."""

"""Commands for developers; nothing here runs in a daemon."""

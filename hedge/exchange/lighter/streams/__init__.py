"""The WebSockets of the exchange: connections, channels, the order book."""

"""The maker decides: when A rests an order, cancels it, holds and closes."""

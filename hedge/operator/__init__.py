"""What people see of the pair."""

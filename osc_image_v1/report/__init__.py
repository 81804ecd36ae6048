"""What there is, and what differs."""

"""Bytes between files and the services, verified. Knows nothing of the command line."""

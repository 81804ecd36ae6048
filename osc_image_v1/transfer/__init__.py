"""The bytes of one image, verified, and the tools for many. Knows nothing of the command line."""

"""The bytes of one image, verified on the way, and the tools for many images."""

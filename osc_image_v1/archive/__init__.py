"""A directory of images: what is in it, how it gets there, and whether it still is."""

"""Reports on images: what differs between two sides, what there is, what is wrong with it."""

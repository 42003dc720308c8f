"""A cache of images and data at the edge: what starts, is shared, resumed, evicted and refused."""

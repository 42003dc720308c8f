"""The add-on `cache`: a registry in the cloud, and a cache of its images and data on edge nodes.

The registry is Debian's docker-registry on the server, with content that the lab makes. The cache
is nginx, which continues to serve while its upstream is silent or down, even after its own restart;
the add-on `pull-through` uses docker-registry's own pull-through cache instead, which does not.
"""

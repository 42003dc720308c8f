"""The add-on `cache`: a registry in the cloud, and a cache of its images and data on edge nodes.

The registry is Debian's docker-registry on the server, with content that the lab makes. The cache
is nginx, which goes on serving while its upstream is silent or gone, through a restart of its own
as well; the add-on `pull-through` puts docker-registry's own pull-through cache in its place, which
does not.
"""

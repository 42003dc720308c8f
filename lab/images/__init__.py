"""Images: what guests boot from, what they are handed, and what their pods run."""

from lab.images.root import RootImage, build_root_image, cached_root_image, image_digest

__all__ = ["RootImage", "build_root_image", "cached_root_image", "image_digest"]

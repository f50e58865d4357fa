"""The four official files, and how files of images are read."""

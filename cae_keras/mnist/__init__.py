"""The four official files, some of Fashion-MNIST, and how files of images are read."""

"""A network in use: what it costs on this machine, its files, the lab in the page."""

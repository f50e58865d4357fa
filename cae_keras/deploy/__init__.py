"""A network in use: what it costs on this machine, files for others, the lab in the page."""

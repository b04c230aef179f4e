"""Code generators: one file a target, each reading a verified program."""

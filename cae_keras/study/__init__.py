"""Many runs, kept: what is done, where it is done, and what came of it."""

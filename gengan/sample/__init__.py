"""A few pictures of a trained run, for a person to look at."""

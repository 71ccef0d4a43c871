"""The speed of training: how long one step takes on this machine."""

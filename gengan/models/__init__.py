"""One file a recipe: linen modules and `make(config, axis_name=None) -> Algorithm`."""

"""Feature networks: what turns images into the features that metrics compare, and how foreign weights are read."""

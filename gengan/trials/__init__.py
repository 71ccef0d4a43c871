"""What generated data is worth to a classifier: the arms of a comparison, its records, its statistics and its report."""

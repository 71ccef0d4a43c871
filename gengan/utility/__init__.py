"""What generated data is worth to a classifier: arms of a comparison, their records, statistics and report."""

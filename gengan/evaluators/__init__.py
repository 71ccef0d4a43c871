"""What a model is worth, as numbers: averages over a data split, and the collapse monitor."""

"""Where images come from: folders, zips, idx and npz files, TFDS sets, scikit-learn's digits."""

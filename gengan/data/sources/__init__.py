"""Where images come from: folders, zips, idx and npz files, TFDS sets, scikit-learn's digits."""

from gengan.data.sources.openers import open_source

__all__ = ['open_source']

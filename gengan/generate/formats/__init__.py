"""Labelled images as other programs read them: one module a format.

Each module has `write_shard`, `finish`, `read_back` and `load_command`; `shards.Shard` and `shards.About` say what they
are given.
"""

from gengan.generate.formats import folder, npz, tfds, webdataset

FORMATS = {'tfds': tfds, 'folder': folder, 'npz': npz, 'webdataset': webdataset}

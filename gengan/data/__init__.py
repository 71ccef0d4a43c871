"""Image sets: opened, cleaned, split, decoded and cut into batches.

config = gengan.config.defaults.gan('digits')
dataset = gengan.data.load(config.data)
iterator = gengan.data.train_iterator(dataset.train, config.data, batch_size=64, seed=0)
batch = next(iterator)  # {'image': float32 [64, H, W, C] in [-1, 1], 'label': int32 [64]}
"""

from gengan.data.dataset import Dataset, Split, load
from gengan.data.iterator import TrainIterator, eval_batches, train_iterator

__all__ = ['Dataset', 'Split', 'TrainIterator', 'eval_batches', 'load', 'train_iterator']

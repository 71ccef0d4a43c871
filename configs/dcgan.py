"""DCGAN on an image set of your choice.

python -m gengan.main --config=configs/dcgan.py                   # scikit-learn's digits, 16 px
python -m gengan.main --config=configs/dcgan.py:mnist             # prepared TFDS set, 32 px
python -m gengan.main --config=configs/dcgan.py:mnist --config.data.source=idx:path/to/mnist
python -m gengan.main --config=configs/dcgan.py:folder --config.data.source=folder:path/to/images

Digits: 82 s with installation, start and compilation on 2 quiet CPU cores (AMD EPYC), 2 min 41 s on slower ones;
docs/images/digits.png shows the result. python -m gengan.evaluate, 3 sets of 2,048 samples against the 179 test digits
(few: compare only with the same protocol): fd_classifier 3.99 ± 0.11, precision 0.61, recall 0.87, coverage 1.00.

The other variants likewise, 3 sets of 10,000 samples against the 10,000 test images, each with a classifier of its own
data; time on 2 CPU cores:

| | steps | minutes | fd_classifier | precision | recall | coverage |
|---|---:|---:|---:|---:|---:|---:|
| mnist | 6,000 | 9 | 4.58 | 0.77 | 0.80 | 0.60 |
| fashion_mnist | 20,000 | 34 | 1.69 | 0.76 | 0.81 | 0.72 |
| cifar10, from JPEGs | 20,000 | 38 | 3.13 | 0.91 | 0.75 | 0.81 |
"""

from ml_collections import ConfigDict

from gengan.config import defaults


def get_config(variant: str = 'digits') -> ConfigDict:
  config = defaults.gan(variant)
  if variant in ('digits', 'mnist'):
    # Far beyond, batch norm in D lets MNIST's background turn grey: fd_classifier 4.4 on validation images at 6,000, 24
    # at 20,000.
    config.num_steps = 6000
  return config

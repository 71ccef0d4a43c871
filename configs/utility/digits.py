"""What generated digits are worth to a classifier, at 10, 50 and all real digits a class, and for a long tail.

python -m gengan.utility --config=configs/utility/digits.py
"""

from ml_collections import ConfigDict

from gengan.config import defaults


def get_config(variant: str = 'digits') -> ConfigDict:
  return defaults.utility(variant)

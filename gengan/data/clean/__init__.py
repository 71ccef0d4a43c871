"""Finds what is wrong with an image set, and writes a report and a list of examples to leave out.

python -m gengan.data.clean --source=folder:path/to/images --out=report
python -m gengan.data.clean --source=zip:path/to/images.zip --exclude=unreadable,duplicate
"""

from gengan.data.clean.cleaning import clean
from gengan.data.clean.findings import EXCLUDABLE, KINDS, Settings

__all__ = ['EXCLUDABLE', 'KINDS', 'Settings', 'clean']

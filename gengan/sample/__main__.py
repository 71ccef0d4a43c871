"""python -m gengan.sample: flags."""

from gengan.sample import main

main()

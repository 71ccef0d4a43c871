"""python -m gengan.data.clean: flags."""

from gengan.data.clean import main

main()

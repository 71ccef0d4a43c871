"""This process and its files: locks, memory, checksums, signals, caches, and files that are replaced whole."""

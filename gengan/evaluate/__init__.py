"""The verb that measures a trained run on held-out images: networks, families of scores, protocol and report."""

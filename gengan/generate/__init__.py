"""Data sets drawn from a trained model: the stream of numbered images, what is rejected, and the job that writes it."""

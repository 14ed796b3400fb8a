"""Rootstock: transfer learning on frozen TensorFlow graphs. `python -m src` shows the way."""

"""Rootstock: transfer learning on frozen TensorFlow graphs. `python -m src` shows the way."""

__version__ = '0.1.0'

"""How fast this project trains, beside stock Keras, PyTorch loops and a limit.

`measure_speed` measures images per second, `time_to_quality` seconds of whole recipes;
`python -m cae_keras bench` prints them. `growth` is for the page on how the book was
built. The rest of the package knows nothing of it.
"""

from cae_keras.bench.growth import expected_seconds, growth

__all__ = ["expected_seconds", "growth"]

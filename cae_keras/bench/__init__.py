"""How fast this project trains, beside stock Keras, PyTorch loops and a limit."""

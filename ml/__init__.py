"""What an encoder, a self-supervised method, a classifier and a training run are: PyTorch only."""

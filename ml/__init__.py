"""Image encoders, self-supervised methods, classifiers and their training and deployment, in PyTorch only."""

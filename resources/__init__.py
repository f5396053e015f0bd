"""How the outside is reached: files, the network, MLflow, the compute device."""

"""Resources: access to files, the network, MLflow and the compute device."""

-- MLflow has a database of its own on the same server; PostgreSQL's image runs this once, when its volume is empty.
CREATE DATABASE mlflow;

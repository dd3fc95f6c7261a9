"""What the notebooks import. Importing this package loads neither TensorFlow nor Matplotlib."""

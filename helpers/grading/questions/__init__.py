"""The exercises, one file a question: its metadata, its reference, its probes and its misconceptions."""

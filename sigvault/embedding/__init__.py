"""The embedding network, its checkpoints, and the embedder that serving uses."""

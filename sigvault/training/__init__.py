"""Training: from folders of signatures and one TOML file to a checkpoint with its card."""

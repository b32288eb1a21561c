"""The use cases: one a file, plain functions over the database, the images and the ports."""

"""Finding the nearest vectors among all that are enrolled: a cache of the database."""

"""The pages for the people who decide: rendered by the server, over one `Vault`."""

"""The vault over HTTP: JSON, problems by RFC 9457, OpenAPI 3.1; see `app.create_api`."""

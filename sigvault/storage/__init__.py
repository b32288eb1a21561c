"""Where a vault lies: the database, and the folder of enrolled images.

Queries are plain functions that take a Session, one file a subject; `engine.write_session` and
`engine.read_session` are the units of work.
"""

"""The database and the data folder: what was said is kept here, whole or not at all."""

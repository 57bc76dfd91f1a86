"""The configuration: schema with every default, reader, loader."""

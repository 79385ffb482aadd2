"""Images on disk: tar shards with an index, the official layout, cached features."""

"""Studies: variants of a model, each trained from several seeds, side by side."""

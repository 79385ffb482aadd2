"""Programs as token sequences: number encodings, conversation, storage, batches."""

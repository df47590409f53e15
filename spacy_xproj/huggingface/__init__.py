"""What the parts share that run models of Hugging Face: their folders, batches, and words as sub-words."""

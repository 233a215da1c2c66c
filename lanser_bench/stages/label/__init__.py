"""Label: transcripts and a taxonomy in, weak labels out."""

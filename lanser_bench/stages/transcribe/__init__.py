"""Transcribe: speech in, transcripts out."""

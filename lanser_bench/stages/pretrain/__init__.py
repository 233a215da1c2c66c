"""Pretrain: an encoder learns weak labels from the audio."""

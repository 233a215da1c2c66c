"""Finetune: the whole encoder is trained on gold labels."""

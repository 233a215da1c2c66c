"""The stages of LanSER, one file each, in the order in which they tell the method.

segment, transcribe, label, features, pretrain, embed, targets, evaluate, probe.
"""

"""The stages of LanSER, one file each, in the order in which they tell the method.

segment, transcribe, label, features, pretrain, embed, targets, evaluate, probe; then finetune,
flatten and zeroshot. Beside them lies what several of them use, with an underscore where no other
package does.
"""

"""BERT (Devlin et al. 2019, arXiv 1810.04805) in plain torch.

transformers' own class takes 2.8 s of CPU time to import. Names and numbers are the same.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

ACTIVATIONS = {"intermediate": ("intermediate_act_fn", nn.GELU), "pooler": ("activation", nn.Tanh)}
"""Modules that apply one: its name and class."""


class _Linear(nn.Linear):
    def reset_parameters(self) -> None:
        """Draws no random weights: others are loaded."""


def bert_modules(state: Mapping[str, Tensor]) -> nn.Module:
    """Returns modules for inference, from the weights of a BERT or of a classifier with one."""
    root = nn.Module()
    state = {name: state[name] for name in state if name.endswith((".weight", ".bias"))}
    for name in dict.fromkeys(name.rpartition(".")[0] for name in state):
        *path, last = name.split(".")
        place = root
        for step in path:
            if step not in place._modules:
                place.add_module(step, nn.ModuleList() if step == "layer" else nn.Module())
            place = place.get_submodule(step)
        weight = state[f"{name}.weight"]
        part: nn.Module = nn.LayerNorm(len(weight), eps=1e-12)
        if f"{name}.bias" not in state:
            part = nn.Embedding(weight.shape[0], weight.shape[1], _weight=weight)
        elif weight.ndim == 2:
            part = _Linear(*weight.T.shape)
        place.add_module(last, part)
        for activation, kind in [ACTIVATIONS[one] for one in path[-1:] if one in ACTIVATIONS]:
            place.add_module(activation, kind())
    root.load_state_dict(state, assign=True)
    return root.requires_grad_(False).eval()

"""Speech encoders of transformers as one module: waveforms in, all layers out, padding masked."""

from __future__ import annotations

import warnings
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from lanser_bench import SAMPLE_RATE

from .._whisper_ct2 import POSITION, cut_positions
from ._masks import frame_mask

SHORTEST = SAMPLE_RATE // 10
"""Shorter clips (in samples) are padded with silence: strided convolutions need enough samples."""
LONGEST = 30 * SAMPLE_RATE
"""Samples that Whisper has positions for."""
Train = Literal["all", "transformer", "mix"] | int
"""The part to train; a number: that many of the last blocks."""


class SpeechModel(nn.Module):
    """The layers of a speech encoder, from the input of its first block to its last output.

    Parts that would mix padding into true frames run clip by clip: the convolutions, whose
    normalisation runs over time in the older models, and Whisper, which has no mask. The blocks of
    the other models run on the whole batch. w2v-BERT has no convolutions before its blocks: it
    reads log-mel.
    """

    def __init__(
        self, model: nn.Module, extractor: Any, *, mix: bool, layer: int | None, train: Train
    ) -> None:
        """Wraps an encoder.

        Args:
            model: the encoder of transformers.
            extractor: its feature extractor.
            mix: appends a learned weighted mean of all layers as the last layer (Yang et al.,
                SUPERB, Interspeech 2021).
            layer: the last layer to use; None for all. 0 is the input of the first block.
            train: the part to train; the rest is frozen, dropout included.
        """
        super().__init__()
        backbone: Any = model
        self.whisper: bool = backbone.config.model_type == "whisper"
        self.backbone = backbone
        self.extractor = extractor
        self.train_part: Train = train
        blocks = backbone.layers if self.whisper else backbone.encoder.layers
        self.count = len(blocks) if layer is None else layer
        for name in ("layerdrop", "encoder_layerdrop"):
            # A skipped block would be missing from the layers.
            if hasattr(backbone.config, name):
                setattr(backbone.config, name, 0.0)
        if self.whisper:
            backbone.layerdrop = 0.0
        self._states: list[Tensor] = []
        self._mask = torch.ones(1, 1, dtype=torch.bool)
        positions = getattr(getattr(backbone, "encoder", None), "pos_conv_embed", None)
        for convolution in getattr(positions, "layers", ()):
            convolution.register_forward_pre_hook(self._without_padding)
        blocks[0].register_forward_pre_hook(self._keep_input)
        for block in blocks:
            block.register_forward_hook(self._keep_output)
        # A plain list: the blocks are registered once, in the backbone.
        trained = self.count - train if isinstance(train, int) else self.count
        self._trained: list[nn.Module] = list(blocks[trained : self.count])
        self.mix = nn.Parameter(torch.zeros(self.count + 1)) if mix else None
        self._freeze()

    def train(self, mode: bool = True) -> SpeechModel:
        """Sets the mode; frozen parts stay in eval mode."""
        super().train(mode)
        if self.train_part == "mix" or isinstance(self.train_part, int):
            self.backbone.eval()
            for block in self._trained:
                block.train(mode)
        return self

    def forward(self, features: Tensor, frames: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Returns per layer the values, shape (batch, frames', dim), and the true lengths."""
        clips = [row[:length] for row, length in zip(features, frames.tolist(), strict=True)]
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.train_part != "mix"):
            states, lengths = self._whisper(clips) if self.whisper else self._masked(clips)
        layers = [(state, lengths) for state in states[: self.count + 1]]
        if self.mix is not None:
            shares = self.mix.softmax(0)
            mixed = sum(share * state for share, (state, _) in zip(shares, layers, strict=True))
            layers.append((torch.as_tensor(mixed), lengths))
        return layers

    def _masked(self, clips: list[Tensor]) -> tuple[list[Tensor], Tensor]:
        convolved = []
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.train_part == "all"):
            for clip in clips:
                padded = nn.functional.pad(clip, (0, max(0, SHORTEST - len(clip))))
                convolved.append(self._front_end(self._features(padded))[0])
        lengths = torch.tensor([len(one) for one in convolved], device=clips[0].device)
        hidden = nn.utils.rnn.pad_sequence(convolved, batch_first=True)
        hidden = self.backbone.feature_projection(hidden)
        hidden = hidden[0] if isinstance(hidden, tuple) else hidden
        self._mask = frame_mask(lengths, hidden.shape[1]).bool()
        return self._run(self.backbone.encoder, hidden, attention_mask=self._mask), lengths

    def _front_end(self, values: Tensor) -> Tensor:
        """Convolves samples to frames, shape (1, frames, dim); log-mel are frames already."""
        convolutions = getattr(self.backbone, "feature_extractor", None)
        return values if convolutions is None else convolutions(values).transpose(1, 2)

    def _without_padding(self, _: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
        """Sets the padding to zero again before each of data2vec's stacked convolutions.

        After the first, it is no longer zero and would enter true frames.
        """
        return (inputs[0] * self._mask[:, None],)

    def _whisper(self, clips: list[Tensor]) -> tuple[list[Tensor], Tensor]:
        per_clip = [self._pieces(clip) for clip in clips]
        lengths = torch.tensor([len(states[0]) for states in per_clip], device=clips[0].device)
        states = [
            nn.utils.rnn.pad_sequence(list(s), batch_first=True)
            for s in zip(*per_clip, strict=True)
        ]
        return states, lengths

    def _pieces(self, clip: Tensor) -> list[Tensor]:
        """Layers of one clip, which is split if Whisper has too few positions for it."""
        encoder = self.backbone
        longest = min(LONGEST, len(encoder.embed_positions.weight) * POSITION)
        pieces = []
        for begin in range(0, len(clip), longest):
            part = clip[begin : begin + longest]
            positions = max(2, -(-len(part) // POSITION))
            mel = self._features(nn.functional.pad(part, (0, positions * POSITION - len(part))))
            with cut_positions(encoder, positions):
                pieces.append([state[0] for state in self._run(encoder, mel)])
        return [torch.cat(parts) for parts in zip(*pieces, strict=True)]

    def _run(self, encoder: Any, values: Tensor, **more: Any) -> list[Tensor]:
        """Runs the blocks and returns the input of the first and the output of each."""
        self._states = []
        with warnings.catch_warnings():
            # torch deprecates the way in which transformers' WavLM combines its two masks.
            warnings.filterwarnings("ignore", message="Support for mismatched key_padding_mask")
            last = encoder(values, **more).last_hidden_state
        states, self._states = self._states, []
        # Some models normalise the last block's output: that is the model's output.
        return [*states[:-1], last]

    def _keep_input(self, _: nn.Module, inputs: tuple[Any, ...]) -> None:
        self._states.append(inputs[0])

    def _keep_output(self, _: nn.Module, __: Any, output: Any) -> None:
        self._states.append(output[0] if isinstance(output, tuple) else output)

    def _features(self, clip: Tensor) -> Tensor:
        """The model's input, shape (1, …): normalised samples or log-mel, as it was trained."""
        samples = np.asarray(clip.detach().cpu(), np.float32)
        # Unpadded: w2v-BERT's log-mel joins pairs of frames, and a last single one is left out.
        uncut = {"padding": False, "truncation": False}
        values = self.extractor(samples, sampling_rate=SAMPLE_RATE, return_tensors="pt", **uncut)
        # First the type: some GPUs have no float64.
        dtype = next(self.backbone.parameters()).dtype
        return (
            torch.as_tensor(values[self.extractor.model_input_names[0]]).to(dtype).to(clip.device)
        )

    def _freeze(self) -> None:
        if self.train_part == "mix" or isinstance(self.train_part, int):
            self.backbone.requires_grad_(False)
            for block in self._trained:
                block.requires_grad_(True)
        elif self.whisper:
            self.backbone.embed_positions.requires_grad_(False)
        elif self.train_part == "transformer" and hasattr(self.backbone, "feature_extractor"):
            self.backbone.feature_extractor.requires_grad_(False)

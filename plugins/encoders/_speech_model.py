"""Speech encoders of transformers as one module: waveforms in, all layers out, padding masked."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any, Literal

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

    Blocks run on the whole batch, with a mask that Whisper lacks in the library. Convolutions on
    the waveform run clip by clip where their normalisation is over time, as in the older models,
    and on a CPU, which is no faster on more at a time; there Whisper, too, runs clip by clip.
    w2v-BERT has no convolutions before its blocks: it reads log-mel.
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
        if self.whisper:
            backbone.conv1.register_forward_hook(self._silenced)
            for block in blocks:
                block.register_forward_pre_hook(self._masked_keys, with_kwargs=True)
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

    def twin(self) -> SpeechModel:
        """Returns a module with the same weights in memory, for another thread."""
        return deepcopy(self, {id(one): one for one in (*self.parameters(), *self.buffers())})

    @property
    def place(self) -> torch.device:
        """Where the weights are."""
        device: torch.device = next(self.backbone.parameters()).device
        return device

    @property
    def together(self) -> bool:
        """Whether clips of one batch are computed together."""
        return self.place.type != "cpu"

    def forward(self, features: Tensor, frames: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Returns per layer the values, shape (batch, frames', dim), and the true lengths."""
        clips = [row[:length] for row, length in zip(features, frames.tolist(), strict=True)]
        with quiet():
            return self.layers(clips)

    def layers(self, clips: list[Tensor]) -> list[tuple[Tensor, Tensor]]:
        """Returns what `forward` returns for clips, each of shape (samples,)."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.train_part != "mix"):
            states, lengths = self._whisper(clips) if self.whisper else self._masked(clips)
        layers = [(state, lengths) for state in states[: self.count + 1]]
        if self.mix is not None:
            shares = self.mix.softmax(0)
            mixed = sum(share * state for share, (state, _) in zip(shares, layers, strict=True))
            layers.append((torch.as_tensor(mixed), lengths))
        return layers

    def _masked(self, clips: list[Tensor]) -> tuple[list[Tensor], Tensor]:
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.train_part == "all"):
            short = [max(0, SHORTEST - len(clip)) for clip in clips]
            padded = [nn.functional.pad(c, (0, n)) for c, n in zip(clips, short, strict=True)]
            convolved = self._convolved([self._features(clip)[0] for clip in padded])
        lengths = torch.tensor([len(one) for one in convolved], device=self.place)
        hidden = nn.utils.rnn.pad_sequence(convolved, batch_first=True)
        hidden = self.backbone.feature_projection(hidden)
        hidden = hidden[0] if isinstance(hidden, tuple) else hidden
        self._mask = frame_mask(lengths, hidden.shape[1]).bool()
        return self._run(self.backbone.encoder, hidden, attention_mask=self._mask), lengths

    def _convolved(self, features: list[Tensor]) -> list[Tensor]:
        """Convolves the samples of each clip to frames, shape (frames, dim)."""
        over_time = getattr(self.backbone.config, "feat_extract_norm", "group") == "group"
        if not self.together or over_time:
            return [self._front_end(one[None])[0] for one in features]
        # These convolutions do not pad, so a clip's frames see its own samples alone.
        samples = torch.tensor([len(one) for one in features])
        lengths = self.backbone._get_feat_extract_output_lengths(samples)
        frames = self._front_end(nn.utils.rnn.pad_sequence(features, batch_first=True))
        return [row[:length] for row, length in zip(frames, lengths.tolist(), strict=True)]

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
        """Splits clips that Whisper has too few positions for, and joins their layers again."""
        longest = min(LONGEST, len(self.backbone.embed_positions.weight) * POSITION)
        owned = [torch.split(clip, longest) for clip in clips]
        parts = [part for own in owned for part in own]
        size = len(parts) if self.together else 1
        rows: list[list[Tensor]] = []
        for begin in range(0, len(parts), size):
            rows += self._positions(parts[begin : begin + size])
        left = iter(rows)
        joined = [
            [torch.cat(pieces) for pieces in zip(*(next(left) for _ in own), strict=True)]
            for own in owned
        ]
        lengths = torch.tensor([len(states[0]) for states in joined], device=self.place)
        padded = zip(*joined, strict=True)
        return [nn.utils.rnn.pad_sequence(list(s), batch_first=True) for s in padded], lengths

    def _positions(self, parts: list[Tensor]) -> list[list[Tensor]]:
        """Returns the layers of each part, shape (positions, dim)."""
        counts = [max(2, -(-len(part) // POSITION)) for part in parts]
        mels = [
            self._features(nn.functional.pad(part, (0, count * POSITION - len(part))))[0].T
            for part, count in zip(parts, counts, strict=True)
        ]
        self._mask = frame_mask(torch.tensor(counts, device=self.place), max(counts)).bool()
        mel = nn.utils.rnn.pad_sequence(mels, batch_first=True).transpose(1, 2)
        with cut_positions(self.backbone, max(counts)):
            states = self._run(self.backbone, mel)
        return [[state[i, :count] for state in states] for i, count in enumerate(counts)]

    def _silenced(self, _: nn.Module, __: Any, output: Tensor) -> Tensor | None:
        """Sets what Whisper's first convolution makes of padding to zero, as at a clip's end."""
        if len(output) == 1:
            return None
        return output * self._mask.repeat_interleave(2, 1)[:, None]

    def _masked_keys(self, _: nn.Module, given: Any, named: Any) -> tuple[Any, Any] | None:
        """Gives a block of Whisper's, which the library calls without a mask, that of the batch."""
        if len(given[0]) == 1:
            return None
        closed = torch.zeros_like(self._mask, dtype=given[0].dtype)
        closed = closed.masked_fill(~self._mask, torch.finfo(closed.dtype).min)[:, None, None]
        return (given[0], closed, *given[2:]), named

    def _run(self, encoder: Any, values: Tensor, **more: Any) -> list[Tensor]:
        """Runs the blocks and returns the input of the first and the output of each."""
        self._states = []
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
        clip, make = clip.detach().float(), self.extractor
        if clip.device.type == "cpu" or not (self.whisper or hasattr(make, "do_normalize")):
            # Unpadded: w2v-BERT's log-mel joins pairs of frames, and a last single one is left out.
            uncut = {"padding": False, "truncation": False, "return_tensors": "pt"}
            named = make(clip.cpu().numpy(), sampling_rate=SAMPLE_RATE, **uncut)
            values = torch.as_tensor(named[make.model_input_names[0]])
        else:
            values = on_device(clip, make)[None]
        # First the type: some GPUs have no float64.
        return values.to(next(self.backbone.parameters()).dtype).to(self.place)

    def _freeze(self) -> None:
        if self.train_part == "mix" or isinstance(self.train_part, int):
            self.backbone.requires_grad_(False)
            for block in self._trained:
                block.requires_grad_(True)
        elif self.whisper:
            self.backbone.embed_positions.requires_grad_(False)
        elif self.train_part == "transformer" and hasattr(self.backbone, "feature_extractor"):
            self.backbone.feature_extractor.requires_grad_(False)


def on_device(clip: Tensor, extractor: Any) -> Tensor:
    """Computes what the library's feature extractor gives where the samples are.

    `extractor` is that of Whisper (log-mel) or of wav2vec 2.0 and its relatives (samples).
    """
    if hasattr(extractor, "do_normalize"):
        deviation, mean = torch.var_mean(clip, correction=0)
        return (clip - mean) / (deviation + 1e-7).sqrt() if extractor.do_normalize else clip
    window = torch.hann_window(extractor.n_fft, device=clip.device)
    size, hop = extractor.n_fft, extractor.hop_length
    power = torch.stft(clip, size, hop, window=window, return_complex=True)[:, :-1].abs().square()
    filters = torch.as_tensor(extractor.mel_filters, dtype=torch.float32, device=clip.device)
    mel = (filters.T @ power).clamp(min=1e-10).log10()
    return (torch.maximum(mel, mel.max() - 8) + 4) / 4


def moments(layers: list[tuple[Tensor, Tensor]]) -> Tensor:
    """Returns mean and variance over the true frames, shape (2, batch, layers, dim).

    `layers` are those of `SpeechModel`, with equal lengths.
    """
    lengths = layers[0][1]
    mask = frame_mask(lengths, layers[0][0].shape[1])[:, :, None]
    pairs = []
    for values, _ in layers:
        mean = (values.float() * mask).sum(1) / lengths[:, None]
        spread = ((values.float() - mean[:, None]) * mask).square().sum(1) / lengths[:, None]
        pairs.append(torch.stack([mean, spread]))
    return torch.stack(pairs, 2)


@contextmanager
def quiet() -> Iterator[None]:
    """Hides that torch deprecates the way in which transformers' WavLM combines its two masks."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Support for mismatched key_padding_mask")
        yield

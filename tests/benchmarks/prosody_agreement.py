"""Pitch, loudness and voice quality by our own code, by Praat and by openSMILE: do they agree?

python tests/benchmarks/prosody_agreement.py FOLDER [CLIPS]

FOLDER holds recordings of 16 kHz, such as RAVDESS; CLIPS of them (360) are taken, evenly spread
over their sorted names. Needs the extras [praat] and [opensmile]. Prints correlations over clips.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import parselmouth
import soundfile as sf

from lanser_bench import SAMPLE_RATE, Speech
from lanser_bench.plugins.discovery import registry

Floats = npt.NDArray[np.float64]
SMILE = (
    "F0semitoneFrom27.5Hz_sma3nz_amean",
    "F0semitoneFrom27.5Hz_sma3nz_pctlrange0-2",
    "loudness_sma3_amean",
    "loudness_sma3_pctlrange0-2",
    "jitterLocal_sma3nz_amean",
    "shimmerLocaldB_sma3nz_amean",
    "HNRdBACF_sma3nz_amean",
)
PAIRS = (
    ("F0 mean", "prosody f0_mean_st", "praat f0_mean_st"),
    ("F0 mean", "prosody f0_mean_st", "egemaps F0semitoneFrom27.5Hz_sma3nz_amean"),
    ("F0 spread", "prosody f0_sd_st", "praat f0_sd_st"),
    ("F0 range", "prosody f0_range_st", "egemaps F0semitoneFrom27.5Hz_sma3nz_pctlrange0-2"),
    ("loudness", "prosody loudness_mean_db", "egemaps loudness_sma3_amean"),
    ("loudness range", "prosody loudness_range_db", "egemaps loudness_sma3_pctlrange0-2"),
    ("jitter", "voice-quality jitter_local_pct", "egemaps jitterLocal_sma3nz_amean"),
    ("shimmer", "voice-quality shimmer_local_pct", "egemaps shimmerLocaldB_sma3nz_amean"),
    ("HNR", "voice-quality hnr_db", "egemaps HNRdBACF_sma3nz_amean"),
)


def main() -> None:
    """Measures all clips and prints the table."""
    files = sorted(Path(sys.argv[1]).rglob("*.flac")) + sorted(Path(sys.argv[1]).rglob("*.wav"))
    wanted = int(sys.argv[2]) if len(sys.argv) > 2 else 360
    chosen = [files[i] for i in np.linspace(0, len(files) - 1, min(wanted, len(files))).astype(int)]
    clips = [Speech(sf.read(file, dtype="float32")[0]) for file in chosen]
    found = measured(clips)
    print(f"{len(clips)} clips")
    print(f"{'':<15}{'ours':<32}{'theirs':<50}{'n':>5}{'r':>7}{'rank':>7}")
    for name, ours, theirs in PAIRS:
        a, b = found[ours], found[theirs]
        both = np.isfinite(a) & np.isfinite(b)
        a, b = a[both], b[both]
        print(
            f"{name:<15}{ours:<32}{theirs:<50}{len(a):>5}{np.corrcoef(a, b)[0, 1]:>7.2f}"
            f"{np.corrcoef(ranks(a), ranks(b))[0, 1]:>7.2f}"
        )
    gap = found["prosody f0_mean_st"] - found["praat f0_mean_st"]
    print(
        f"F0 mean, ours minus Praat's: median {np.nanmedian(gap):+.2f} semitones, "
        f"{np.nanmean(np.abs(gap) > 1):.1%} of clips more than 1 apart"
    )


def measured(clips: list[Speech]) -> dict[str, Floats]:
    """Returns probe and target → values over the clips."""
    plugins, found = registry(), {}
    for name in ("prosody", "voice-quality", "egemaps"):
        probe = plugins.create("probe", name, {"names": SMILE} if name == "egemaps" else {})
        values = np.concatenate([probe.measure([clip]) for clip in clips])
        found |= {f"{name} {t}": values[:, i] for i, t in enumerate(probe.targets)}
    pitch = np.array([praat_pitch(clip) for clip in clips])
    return found | {"praat f0_mean_st": pitch[:, 0], "praat f0_sd_st": pitch[:, 1]}


def praat_pitch(clip: Speech) -> tuple[float, float]:
    """Mean and spread of Praat's F0 over voiced frames, in semitones above 100 Hz."""
    sound = parselmouth.Sound(clip.samples.astype(np.float64), SAMPLE_RATE)
    heard = sound.to_pitch_ac(pitch_floor=75, pitch_ceiling=600).selected_array["frequency"]
    tones = 12 * np.log2(heard[heard > 0] / 100)
    return (tones.mean(), tones.std()) if len(tones) else (np.nan, np.nan)


def ranks(values: Floats) -> Floats:
    """Ranks, ties in order of appearance."""
    return np.argsort(np.argsort(values, kind="stable")).astype(np.float64)


if __name__ == "__main__":
    main()

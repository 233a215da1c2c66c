"""Whether flattening keeps the means that it says it keeps, by the prosody probe's own trackers.

python tests/benchmarks/flattened_means.py $LANSER_DATA_ROOT/ravdess [--every 30]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import soundfile
from lanser_bench_plugins.probes.prosody import Prosody, ProsodyOptions

from lanser_bench import Speech
from lanser_bench.audio.flatten import Cue, resynthesise

CUES: tuple[Cue, ...] = ("none", "f0", "energy")


def main() -> None:
    """Prints each version's mean over clips, and its distance from the resynthesis as it was."""
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=Path)
    parser.add_argument("--every", type=int, default=30)
    given = parser.parse_args()
    probe = Prosody(ProsodyOptions())
    clips = sorted(given.root.rglob("*.flac"))[:: given.every]
    found = np.empty((len(CUES), len(clips), len(probe.targets)))
    for at, clip in enumerate(clips):
        samples, _ = soundfile.read(clip, dtype="float32")
        for row, cue in enumerate(CUES):
            found[row, at] = probe.measure([Speech(resynthesise(samples, cue))])[0]
    for name in ("f0_mean_st", "f0_sd_st", "loudness_mean_db", "loudness_range_db"):
        values = found[:, :, probe.targets.index(name)]
        for cue, own in zip(CUES, values, strict=True):
            off = own - values[0]
            print(
                f"{name:18} {cue:7} {np.nanmean(own):7.2f}  change {np.nanmean(off):6.2f}, "
                f"median {np.nanmedian(off):6.2f} ({len(clips)} clips)"
            )


if __name__ == "__main__":
    main()

"""What keeping freed memory is worth to a training step: prints the ratio of both in one run.

python tests/benchmarks/allocator.py
"""

from __future__ import annotations

import subprocess
import sys
import time


def steps(keep: bool, count: int = 30) -> float:
    """Seconds for some training steps of the small ResNet on one thread."""
    import torch

    from lanser_bench import keep_freed_memory
    from lanser_bench.plugins.discovery import load_plugins

    if keep:
        keep_freed_memory()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = load_plugins(only="").create("encoder", "resnet", {"size": "small"}).build(0)
    optimiser = torch.optim.AdamW(model.parameters())
    features, frames = torch.randn(16, 300, 64), torch.full((16,), 300)
    begin = 0.0
    for step in range(count + 2):
        if step == 2:
            begin = time.perf_counter()
        loss = model(features, frames)[-1][0].pow(2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return time.perf_counter() - begin


def main() -> None:
    """Alternates both in fresh processes, because the setting stays with a process."""
    if len(sys.argv) > 1:
        print(steps(sys.argv[1] == "keep"))
        return
    times: dict[str, list[float]] = {"give": [], "keep": []}
    for _ in range(3):
        for mode, found in times.items():
            run = [sys.executable, __file__, mode]
            found.append(float(subprocess.run(run, capture_output=True, check=True).stdout))
    give, keep = min(times["give"]), min(times["keep"])
    print(f"given back {give:.2f} s, kept {keep:.2f} s: {give / keep:.2f} times as fast")


if __name__ == "__main__":
    main()

"""GPUs and memory of this machine, read from the system without loading a GPU library."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

GIB = 2**30
NVIDIA = Path("/proc/driver/nvidia/gpus")


def gpu_names() -> list[str]:
    """Returns the GPUs this process may use, as ``CUDA_VISIBLE_DEVICES`` names them."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name.strip() for name in visible.split(",") if name.strip() not in ("", "-1")]
    try:
        return [str(number) for number in range(len(list(NVIDIA.iterdir())))]
    except OSError:
        return []


def available_gib(
    meminfo: Path = Path("/proc/meminfo"), cgroup: Path = Path("/sys/fs/cgroup")
) -> float:
    """Returns the available main memory in GiB: the system's, or the container's if it is less."""
    limits = []
    with suppress(OSError, ValueError, KeyError):
        lines = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
        limits.append(int(lines["MemAvailable"].split()[0]) * 1024 / GIB)
    with suppress(OSError, ValueError):
        most = int((cgroup / "memory.max").read_text())
        limits.append((most - int((cgroup / "memory.current").read_text())) / GIB)
    if not limits:
        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB)
    return max(0.5, min(limits))

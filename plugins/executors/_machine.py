"""What this machine has, asked of the system: no GPU library is loaded for it."""

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
    """Returns the main memory that may be filled now, in GiB: the system's, or the container's.

    Args:
        meminfo: where Linux tells; without it the machine's whole memory counts.
        cgroup: folder of a container's limit, if it has one.
    """
    found = []
    with suppress(OSError, ValueError, KeyError):
        lines = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
        found.append(int(lines["MemAvailable"].split()[0]) * 1024 / GIB)
    with suppress(OSError, ValueError):
        limit = int((cgroup / "memory.max").read_text())
        found.append((limit - int((cgroup / "memory.current").read_text())) / GIB)
    if not found:
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB)
    return max(0.5, min(found))

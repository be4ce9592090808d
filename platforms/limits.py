"""What each platform accepts as a video."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Limits:
    """What a platform accepts; sides in pixels, the longer one first."""

    min_duration_s: float = 0.0
    max_duration_s: float = math.inf
    max_bytes: float = math.inf
    min_sides: tuple[int, int] = (1, 1)
    max_sides: tuple[float, float] = (math.inf, math.inf)
    max_ratio: float = math.inf  # aspect ratio, longer side to shorter


# The engine accepts any length, and any size when only this program uses it; an engine that serves
# others checks sizes itself.
ENGINE = Limits()
# v1.1.2 and v1.2: 4 s to 2 h, up to 2 GB, 480x360 to 4K. Read generously (GiB, and 4096x2160, the
# 4K of the cinema): at the border the platform itself has the last word.
HOSTED = Limits(4.0, 7200.0, 2 * 1024**3, (480, 360), (4096, 2160))
# v1.3: from 4 s, 360x360 to 5184x2160, aspect ratio up to 2.4, 10 GB in chunks. The longest video
# depends on what classifies it: analysis takes up to 2 h, a search index up to 4 h.
V13_SEGMENTATION = Limits(4.0, 7200.0, 10 * 1024**3, (360, 360), (5184, 2160), 2.4)
V13_SEARCH = replace(V13_SEGMENTATION, max_duration_s=14_400.0)

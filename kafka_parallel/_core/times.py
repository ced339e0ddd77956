"""The two ends of time: when may something happen that always may, or that no time brings about?"""

from __future__ import annotations

AT_ONCE, NEVER = float("-inf"), float("inf")

from typing import Callable

from . import Progress

def display(every: int = 10, *, width: int | None = None) -> Callable[[Progress], None]: ...

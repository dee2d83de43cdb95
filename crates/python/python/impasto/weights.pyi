from os import PathLike
from typing import Any, Literal, Sequence

def fetch(
    published: Literal["vgg", "torchvision"] = "vgg",
    *,
    url: str | Sequence[str] | None = None,
    output: str | PathLike[str] | None = None,
    quiet: bool = False,
) -> str: ...
def path() -> str | None: ...
def info(file: str | PathLike[str] | None = None) -> dict[str, Any]: ...

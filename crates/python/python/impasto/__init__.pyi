from os import PathLike
from typing import Any, Callable, Literal, Protocol, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import testing as testing
from . import weights as weights
from ._display import display as display

__version__: str

class _HasArrayInterface(Protocol):
    @property
    def __array_interface__(self) -> dict[str, Any]: ...

_Picture = str | PathLike[str] | NDArray[Any] | _HasArrayInterface
_Verdict = Literal["right", "right at a kink", "wrong", "kink", "coarse", "undecided"]

class Report:
    @property
    def ok(self) -> bool: ...
    @property
    def verdict(self) -> _Verdict: ...
    @property
    def compared(self) -> int: ...
    @property
    def evaluations(self) -> int | None: ...
    @property
    def worst_error(self) -> float | None: ...
    @property
    def inputs(self) -> list[str]: ...
    @property
    def hints(self) -> list[str]: ...
    @property
    def slopes(self) -> list[dict[str, Any]]: ...
    def taylor(self) -> Taylor: ...
    def __bool__(self) -> bool: ...

class Taylor:
    @property
    def ok(self) -> bool: ...
    @property
    def verdict(self) -> _Verdict: ...
    @property
    def order(self) -> float | None: ...
    @property
    def orders(self) -> list[float | None]: ...
    @property
    def rows(self) -> list[list[tuple[float, float, float | None]]]: ...
    def __bool__(self) -> bool: ...

class Estimate:
    @property
    def values(self) -> NDArray[np.float64] | tuple[NDArray[np.float64], ...]: ...
    @property
    def errors(self) -> NDArray[np.float64] | tuple[NDArray[np.float64], ...]: ...
    @property
    def evaluations(self) -> int: ...
    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]: ...

def gradcheck(
    f: Callable[..., Any],
    grad: Any = None,
    *inputs: Any,
    vjp: Callable[..., Any] | None = None,
    rtol: float = 1e-8,
    atol: float = 0.0,
    eps: float | None = None,
    seed: int = 0,
    subgradients: bool = False,
    directions: int | None = None,
    every_element: bool = False,
    sample: int | None = None,
    nondeterminism: float = 0.0,
    names: Sequence[str] | None = None,
) -> Report: ...
def taylor(
    f: Callable[..., Any],
    grad: Any = None,
    *inputs: Any,
    vjp: Callable[..., Any] | None = None,
    seed: int = 0,
    subgradients: bool = False,
    nondeterminism: float = 0.0,
    names: Sequence[str] | None = None,
) -> Taylor: ...
def check_hessian_vector(
    grad: Callable[..., Any],
    product: Callable[..., Any],
    *inputs: Any,
    rtol: float = 1e-8,
    atol: float = 0.0,
    eps: float | None = None,
    seed: int = 0,
    names: Sequence[str] | None = None,
) -> Report: ...
def numeric_gradient(f: Callable[..., Any], *inputs: Any, eps: float | None = None) -> Estimate: ...
def numeric_jacobian(f: Callable[..., Any], *inputs: Any, eps: float | None = None) -> Estimate: ...

class Progress:
    @property
    def iteration(self) -> int: ...
    @property
    def iterations(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def loss(self) -> float: ...
    @property
    def terms(self) -> dict[str, float]: ...
    @property
    def elapsed(self) -> float: ...
    @property
    def done(self) -> float: ...
    @property
    def picture(self) -> NDArray[np.uint8]: ...

_Callback = Callable[[Progress], object]
_Memory = int | str | None

def transfer(
    content: _Picture,
    styles: _Picture | Sequence[_Picture],
    *,
    size: int | Literal["max"] | None = None,
    strength: float | None = None,
    colors: Literal["style", "content", "match", "only"] = "style",
    seed: int | Literal["random"] | None = None,
    memory: _Memory = None,
    callback: _Callback | None = None,
    **options: Any,
) -> NDArray[np.uint8]: ...
def texture(
    example: _Picture,
    *,
    size: int | tuple[int, int] | None = None,
    seed: int | Literal["random"] | None = None,
    memory: _Memory = None,
    callback: _Callback | None = None,
    **options: Any,
) -> NDArray[np.uint8]: ...
def invert(
    image: _Picture,
    layer: str,
    *,
    size: int | Literal["max"] | None = None,
    seed: int | Literal["random"] | None = None,
    memory: _Memory = None,
    callback: _Callback | None = None,
    **options: Any,
) -> NDArray[np.uint8]: ...

def show(picture: str | PathLike[str]) -> dict[str, Any] | None: ...

class Network:
    def __init__(self, weights: str | PathLike[str] | None = None, **options: Any) -> None: ...
    def features(
        self, image: _Picture, layers: str | Sequence[str], *, size: int = 512
    ) -> NDArray[np.float32] | dict[str, NDArray[np.float32]]: ...
    def objective(self, content: _Picture, styles: _Picture | Sequence[_Picture], **options: Any) -> Objective: ...
    @property
    def last(self) -> str: ...
    @property
    def is_trained(self) -> bool: ...

class Objective:
    @property
    def start(self) -> NDArray[np.float64]: ...
    @property
    def shape(self) -> tuple[int, int, int]: ...
    def value_and_gradient(self, x: ArrayLike) -> tuple[float, NDArray[np.float64]]: ...
    def terms(self, x: ArrayLike) -> dict[str, float]: ...
    def picture(self, x: ArrayLike) -> NDArray[np.uint8]: ...

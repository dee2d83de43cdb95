"""Neural style transfer on the CPU, and a gradient checker for any function on numpy arrays.

    picture = impasto.transfer("photo.jpg", "painting.jpg")      # a numpy array, height x width x 3
    report = impasto.gradcheck(f, grad, x)                       # true, or prints what is wrong
    impasto.testing.assert_gradient(f, grad, x)                  # for pytest
    impasto.weights.fetch()                                      # once: trained weights
"""

from . import _impasto, testing
from ._impasto import *
from ._impasto import __version__

__all__ = [name for name in dir(_impasto) if not name.startswith("_")] + ["testing"]

if hasattr(_impasto, "transfer"):
    from . import weights
    from ._display import display

    __all__ += ["display", "weights"]

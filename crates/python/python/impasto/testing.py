"""Assertions for tests."""

from ._impasto import gradcheck

__all__ = ["assert_gradient"]


def assert_gradient(f, grad=None, *inputs, **options):
    """Raise AssertionError with the checker's table unless grad is the gradient of f at the inputs.

    Arguments and options are those of impasto.gradcheck.
    """
    __tracebackhide__ = True  # pytest shows the caller's line
    report = gradcheck(f, grad, *inputs, **options)
    if not report.ok:
        raise AssertionError(str(report))

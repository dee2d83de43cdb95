"""The picture while it is painted, in a notebook."""

import base64
import sys

from ._impasto import _png


def display(every=10, *, width=None):
    """Give a callback that shows the picture while it is painted.

    In Jupyter the picture stands below the cell, with a line on the iteration and the loss; elsewhere, and without IPython,
    that line alone is printed on standard error.

    Parameters
    ----------
    every : int
        Show every so many iterations, and the last one of each scale.
    width : int
        The width at which a notebook shows the picture, in pixels; by default its own.

    Returns
    -------
    callable
        For transfer, texture and invert: impasto.transfer(content, style, callback=impasto.display()).
    """
    if every < 1:
        raise ValueError(f"every is {every}; give 1 or more")
    return _Display(every, width)


class _Display:
    def __init__(self, every, width):
        self.every, self.width = every, width
        self.handle = None

    def __call__(self, progress):
        if progress.iteration % self.every and progress.iteration != progress.iterations:
            return
        line = f"{progress.size} px, iteration {progress.iteration} of {progress.iterations}, loss {progress.loss:.6g}"
        if not _in_notebook():
            print(line, file=sys.stderr)
            return
        from IPython.display import HTML, display

        data = base64.b64encode(_png(progress.picture)).decode()
        width = f' width="{self.width}"' if self.width else ""
        shown = HTML(f'<img src="data:image/png;base64,{data}"{width}><br>{line}')
        if self.handle is None:
            self.handle = display(shown, display_id=True)
        else:
            self.handle.update(shown)


def _in_notebook():
    """Whether what IPython displays is seen as a picture."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return shell is not None and type(shell).__name__ != "TerminalInteractiveShell"

"""VGG19's weights: fetch() downloads trained ones, path() and info() say which are used."""

import os
import shutil
import subprocess
import sys
import sysconfig

from ._impasto import _weights_info, _weights_path

__all__ = ["fetch", "info", "path"]


def fetch(published="vgg", *, url=None, output=None, quiet=False):
    """Download trained weights to where impasto finds them, as `impasto weights fetch` does.

    Parameters
    ----------
    published : str
        "vgg": those of VGG19's authors with 8 bits each, 18 MB, by this Python's pip. "torchvision": torchvision's, 80 MB.
    url : str or list of str
        Download from this address instead; of several, the first that works.
    output : path
        The npz file to write; by default impasto/vgg19.npz in the user's cache folder.
    quiet : bool
        Print nothing.

    Returns
    -------
    str
        The path of the file.

    Raises
    ------
    OSError if no source can be reached.
    """
    words = [_command(), "weights", "fetch", published]
    for address in [url] if isinstance(url, str) else url or []:
        words += ["--url", address]
    if output is not None:
        words += ["--output", os.fspath(output)]
    # The pip beside this interpreter comes first.
    environment = dict(os.environ)
    environment["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), environment.get("PATH", "")])
    lines = []
    fetching = subprocess.Popen(
        words, env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8", errors="replace"
    )
    try:
        for line in fetching.stderr:
            lines.append(line.rstrip("\n"))
            if not quiet:
                print(lines[-1], file=sys.stderr)
        fetching.wait()
    except BaseException:
        fetching.terminate()
        fetching.wait()
        raise
    finally:
        fetching.stderr.close()
    if fetching.returncode == 130:
        raise KeyboardInterrupt
    if fetching.returncode:
        reasons = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")] or lines[-1:]
        raise OSError("; ".join(reasons) or f"`impasto weights fetch` failed with code {fetching.returncode}")
    if output is not None:
        return os.fspath(output)
    return next(line for line in lines if line.startswith("wrote ")).removeprefix("wrote ").rpartition(" (")[0]


def path():
    """The file of weights that impasto uses, or None where there is none and the random network is used.

    The first of $IMPASTO_WEIGHTS, weights/vgg19.npz, and impasto/vgg19.npz in the user's cache folder.
    """
    return _weights_path()


def info(file=None):
    """Describe a file of weights; without it the one that impasto uses.

    Returns
    -------
    dict
        path (None for a random network), trained, origin, format, lineage, mean and std (of the input, red first), and layers, a
        dict of the kernels' shapes: outputs, inputs, height, width.

    Raises
    ------
    OSError if it cannot be read.
    """
    return _weights_info(file)


def _command():
    """The command that was installed with this package."""
    name = "impasto.exe" if os.name == "nt" else "impasto"
    user = sysconfig.get_preferred_scheme("user")
    for folder in [sysconfig.get_path("scripts"), sysconfig.get_path("scripts", user)]:
        if os.path.isfile(os.path.join(folder, name)):
            return os.path.join(folder, name)
    found = shutil.which("impasto")
    if found is None:
        raise FileNotFoundError("the command `impasto` is not installed beside this package, and it fetches weights")
    return found

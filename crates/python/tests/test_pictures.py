"""Transfer, textures, inversion and the network from Python; beside the command where $IMPASTO names one."""

import base64
import io
import os
import re
import signal
import subprocess
import threading

import impasto
import numpy as np
import pytest

pytestmark = pytest.mark.skipif(not hasattr(impasto, "transfer"), reason="built with the gradient checker alone")

COMMAND = os.environ.get("IMPASTO")
needs_command = pytest.mark.skipif(not COMMAND, reason="$IMPASTO names no command")
QUICK = {"weights": "random:3", "steps": 3, "scales": 1, "size": 32}


def drawn(height, width, seed):
    """A smooth picture of 8 bits."""
    rng = np.random.default_rng(seed)
    i, j = np.mgrid[:height, :width]
    waves = [np.sin(i * a + j * b + c) for a, b, c in rng.uniform(-0.6, 0.6, (3, 3)) * [1, 1, 5]]
    return np.uint8(np.round(127 * (np.stack(waves, axis=2) + 1)))


CONTENT, STYLE, OTHER = drawn(32, 24, 1), drawn(40, 33, 2), drawn(30, 48, 3)


@pytest.fixture
def files(tmp_path):
    image = pytest.importorskip("PIL.Image")
    paths = [tmp_path / f"{name}.png" for name in ("content", "style", "other")]
    for path, array in zip(paths, (CONTENT, STYLE, OTHER)):
        image.fromarray(array).save(path)
    return paths


def by_command(tmp_path, job, *words):
    out = tmp_path / "out.png"
    subprocess.run([COMMAND, job, *map(str, words), "-o", out, "--quiet"], check=True)
    return np.asarray(pytest.importorskip("PIL.Image").open(out))


COMMANDS = {
    "usual": {},
    "strength": {"strength": 0.8, "size": 24},
    "colours": {"colors": "content", "seed": 7, "init": "noise"},
    "match": {"colors": "match", "color_map": "cholesky", "pool": "avg"},
    "only": {"colors": "only"},
    "layers": {"content_layers": {"relu2_1": 0.5, "relu3_1": 1}, "style_layers": ["relu1_1", "relu2_1"], "style_weight": 3},
    "scales": {"scales": [20, 32], "steps": [2, 3], "optimizer": "adam", "lr": 0.05, "average": True},
    "presets": {"preset": "gatys", "style_loss": "gram", "tv_weight": 0.1, "no_clamp": True},
    "finish": {"finish": 2, "style_size": 40, "conv": "im2col", "threads": 1},
    "moments": {"style_loss": "moments", "memory": "2G", "tolerance": 0.5},
}


@needs_command
@pytest.mark.parametrize("name", COMMANDS)
def test_transfers_are_those_of_the_command(name, files, tmp_path):
    options = {**QUICK, **COMMANDS[name]}
    words = []
    for option, value in options.items():
        word = "--" + option.replace("_", "-")
        if value is True:
            words.append(word)
        else:
            if isinstance(value, dict):
                value = [f"{layer}={weight}" for layer, weight in value.items()]
            words += [word, ",".join(map(str, value)) if isinstance(value, list) else value]
    expected = by_command(tmp_path, "transfer", *files[:2], *words)
    # From arrays and from files.
    for content, style in [(CONTENT, STYLE), files[:2]]:
        np.testing.assert_array_equal(impasto.transfer(content, style, **options), expected)


@needs_command
def test_blends_textures_and_inversions_are_those_of_the_command(files, tmp_path):
    words = ["--weights", "random:3", "--steps", 3]
    quick = {"weights": "random:3", "steps": 3}
    content, style, other = files
    expected = by_command(tmp_path, "transfer", *files, "--blend", "2,1", "--size", 32, "--scales", 1, *words)
    found = impasto.transfer(CONTENT, [STYLE, other], blend=[2, 1], size=32, scales=1, **quick)
    np.testing.assert_array_equal(found, expected)
    expected = by_command(tmp_path, "texture", style, "--size", "40,32", "--seamless", "--up-to", "pool2", *words)
    found = impasto.texture(STYLE, size=(40, 32), seamless=True, up_to="pool2", **quick)
    np.testing.assert_array_equal(found, expected)
    for options in [{}, {"preset": "mahendran", "jitter": 3, "alpha": 4, "channels": "0..16", "crop": 5}]:
        more = [word for option, value in options.items() for word in ("--" + option, value)]
        expected = by_command(tmp_path, "invert", content, "--layer", "relu2_1", "--size", 32, *more, *words)
        np.testing.assert_array_equal(impasto.invert(CONTENT, "relu2_1", size=32, **options, **quick), expected)


@needs_command
def test_the_largest_size_and_drawn_seeds(files, tmp_path):
    quick = {"weights": "random:3", "steps": 2, "scales": 1}
    words = ["--weights", "random:3", "--steps", 2, "--scales", 1]
    # The picture's own size where there is memory for it, and less where there is not.
    expected = by_command(tmp_path, "transfer", *files[:2], "--size", "max", *words)
    np.testing.assert_array_equal(impasto.transfer(*files[:2], size="max", **quick), expected)
    large = np.kron(CONTENT, np.ones((40, 40, 1), np.uint8))
    some = impasto.transfer(large, STYLE, size="max", memory="200M", **quick)
    assert 32 < max(some.shape) < max(large.shape)
    assert impasto.invert(CONTENT, "relu2_1", size="max", weights="random:3", steps=2).shape == CONTENT.shape
    one, other = (impasto.transfer(CONTENT, STYLE, init="noise", seed="random", **QUICK) for _ in range(2))
    assert (one != other).any()
    with pytest.raises(ValueError, match="random"):
        impasto.transfer(CONTENT, STYLE, seed="dice", **QUICK)
    with pytest.raises(ValueError, match="max"):
        impasto.transfer(CONTENT, STYLE, size="max", colors="only")


@needs_command
def test_show_says_how_a_picture_was_made(files, tmp_path):
    by_command(tmp_path, "transfer", *files[:2], "--size", 24, "--steps", 2, "--weights", "random:3")
    made = impasto.show(tmp_path / "out.png")
    assert made["command"].startswith("impasto transfer ") and made["weights"] == "random:3"
    assert made["settings"]["steps"] == "2" and made["impasto"] == impasto.__version__
    assert impasto.show(files[0]) is None
    with pytest.raises(OSError, match="nowhere"):
        impasto.show("nowhere.png")


def test_weights_are_found_and_described(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("IMPASTO_WEIGHTS", raising=False)
    monkeypatch.chdir(tmp_path)
    assert impasto.weights.path() is None
    info = impasto.weights.info()
    assert info["path"] is None and not info["trained"] and info["origin"] == "no file was found"
    monkeypatch.setenv("IMPASTO_WEIGHTS", "there.npz")
    assert impasto.weights.path() == "there.npz"
    with pytest.raises(OSError, match="there.npz"):
        impasto.weights.info()


@needs_command
def test_fetching_weights(tmp_path, monkeypatch, capfd):
    """From a server on this machine; a wrong address is an OSError with the reason."""
    with pytest.raises(OSError, match="127.0.0.1"):
        impasto.weights.fetch(url="http://127.0.0.1:9/nothing.npz", output=tmp_path / "w.npz", quiet=True)
    assert capfd.readouterr().err == "" and not (tmp_path / "w.npz").exists()
    with pytest.raises(OSError, match="published|vgg"):
        impasto.weights.fetch("vgg16", quiet=True)


def test_display_outside_a_notebook_prints_lines(capsys):
    impasto.transfer(CONTENT, STYLE, callback=impasto.display(2), **QUICK)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(", loss")[0] for line in lines] == ["32 px, iteration 2 of 3", "32 px, iteration 3 of 3"]
    with pytest.raises(ValueError, match="every"):
        impasto.display(0)


def test_display_in_a_notebook_updates_one_picture():
    shells = pytest.importorskip("IPython.core.interactiveshell")
    from IPython.utils.capture import capture_output

    shells.InteractiveShell.instance()
    try:
        with capture_output() as captured:
            impasto.transfer(CONTENT, STYLE, callback=impasto.display(1, width=300), **QUICK)
    finally:
        shells.InteractiveShell.clear_instance()
    html = [output.data["text/html"] for output in captured.outputs]
    assert len(html) == 3 and all('width="300"' in one and "iteration" in one for one in html)
    image = pytest.importorskip("PIL.Image")
    data = base64.b64decode(re.search("base64,([^\"]*)", html[-1])[1])
    shown = np.asarray(image.open(io.BytesIO(data)))
    assert shown.shape == (32, 24, 3) and shown.std() > 10


# Options of the command that are of files, terminals and processes.
COMMANDS_OWN = set(
    "output save-every log preview quiet verbose format depth srgb no-metadata keep-location checkpoint checkpoint-every resume "
    "repeats help version".split()
)


@needs_command
@pytest.mark.parametrize("job", ["transfer", "texture", "invert"])
def test_every_option_of_the_command_is_a_keyword(job):
    text = subprocess.check_output([COMMAND, job, "--help"], text=True)
    options = set(re.findall(r"^ +(?:-\w, )?--([a-z-]+)", text, flags=re.M)) - COMMANDS_OWN
    assert len(options) > 12
    for option in sorted(options - {"layer"}):
        name = option.replace("-", "_")
        try:
            second = {"transfer": [STYLE], "texture": [], "invert": ["relu2_1"]}[job]
            getattr(impasto, job)(CONTENT, *second, **{name: object()})
        except TypeError as error:
            assert "has no option" not in str(error), name
        except (ValueError, OSError):
            pass


def test_forms_of_pictures():
    image = pytest.importorskip("PIL.Image")
    expected = impasto.transfer(CONTENT, STYLE, **QUICK)
    assert expected.dtype == np.uint8 and expected.shape == (32, 24, 3)
    pictures = [
        CONTENT.astype(float) / 255,
        (CONTENT / 255).astype(np.float32),
        np.asfortranarray(CONTENT),
        image.fromarray(CONTENT),
    ]
    for content in pictures:
        np.testing.assert_array_equal(impasto.transfer(content, [STYLE], **QUICK), expected)
    opaque = np.dstack([CONTENT, np.full(CONTENT.shape[:2], 255, np.uint8)])
    assert impasto.transfer(opaque, STYLE, **QUICK).shape == (32, 24, 3)
    assert impasto.transfer(image.fromarray(CONTENT).convert("L"), STYLE, **QUICK).shape == (32, 24, 3)
    # The caller's array stays.
    np.testing.assert_array_equal(CONTENT, drawn(32, 24, 1))


def test_wrong_pictures_and_options():
    for content, error, words in [
        (CONTENT.astype(float), ValueError, "0 to 1"),
        (CONTENT[:, :, 0], ValueError, r"shape \[32, 24\]"),
        (CONTENT.astype(int), TypeError, "int64"),
        (np.full((8, 8, 3), np.nan), ValueError, "NaN"),
        ("nowhere.png", OSError, "nowhere.png"),
    ]:
        with pytest.raises(error, match=words):
            impasto.transfer(content, STYLE, **QUICK)
    for options, error, words in [
        ({"strenght": 1}, TypeError, "Did you mean strength"),
        ({"style_wieght": 1}, TypeError, "Did you mean style_weight"),
        ({"zzz": 1}, TypeError, r"no option zzz$"),
        ({"strength": 2}, ValueError, "0 to 1"),
        ({"colors": "red"}, ValueError, "style, content, match or only"),
        ({"preset": "best"}, ValueError, "balanced"),
        ({"size": -1}, ValueError, "65536"),
        ({"clamp": "yes"}, TypeError, "True or False"),
        ({"clamp": True, "no_clamp": True}, ValueError, "not both"),
        ({"steps": "many"}, ValueError, "steps is many"),
        ({"memory": "much"}, ValueError, "4G"),
        ({"memory": 1000}, MemoryError, "memory"),
        ({"weights": "nowhere.npz"}, OSError, "nowhere.npz"),
        ({"style_layers": "relu9_9"}, ValueError, "relu9_9"),
        ({"blend": [1, 2]}, ValueError, "blend"),
        ({"content_mask": CONTENT}, ValueError, "style_mask"),
        ({"lr": 0.1}, ValueError, "adam"),
        ({"callback": 3}, TypeError, "callback"),
    ]:
        with pytest.raises(error, match=words):
            impasto.transfer(CONTENT, STYLE, **{**QUICK, **options})


def test_callbacks():
    seen = []
    picture = impasto.transfer(CONTENT, STYLE, callback=lambda progress: seen.append(progress), **QUICK)
    assert [p.iteration for p in seen] == [1, 2, 3] and seen[0].iterations == 3 and seen[0].size == 32
    assert seen[-1].loss <= seen[0].loss and set(seen[0].terms) == {"content", "style", "tv"}
    assert seen[0].picture.shape == picture.shape and 0 < seen[0].done <= seen[-1].done <= 1
    np.testing.assert_array_equal(picture, impasto.transfer(CONTENT, STYLE, **QUICK))
    count = []
    impasto.transfer(CONTENT, STYLE, callback=lambda progress: count.append(1) or len(count) < 2, **{**QUICK, "steps": 50})
    assert len(count) == 2

    def wrong(progress):
        raise RuntimeError("from the callback")

    with pytest.raises(RuntimeError, match="from the callback"):
        impasto.transfer(CONTENT, STYLE, callback=wrong, **QUICK)


def test_ctrl_c_and_other_threads():
    timer = threading.Timer(0.5, lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        timer.start()
        impasto.transfer(CONTENT, STYLE, **{**QUICK, "steps": 100_000_000})
    timer.join()
    # Others run meanwhile.
    ticks = []
    ticker = threading.Thread(target=lambda: [ticks.append(threading.Event().wait(0.01)) for _ in range(5)])
    ticker.start()
    impasto.transfer(CONTENT, STYLE, **QUICK)
    ticker.join()
    assert len(ticks) == 5


def test_features():
    network = impasto.Network("random:3")
    assert not network.is_trained and "random" in repr(network)
    features = network.features(CONTENT, ["relu1_1", "pool2"], size=0)
    assert features["relu1_1"].shape == (32, 24, 64) and features["pool2"].shape == (8, 6, 128)
    assert features["relu1_1"].dtype == np.float32 and features["relu1_1"].min() == 0
    np.testing.assert_array_equal(network.features(CONTENT, "pool2", size=0), features["pool2"])
    with pytest.raises(ValueError, match="relu9_9"):
        network.features(CONTENT, "relu9_9")
    with pytest.raises(TypeError, match="Did you mean"):
        impasto.Network(wieghts="random")


def test_objectives():
    network = impasto.Network("random:3")
    objective = network.objective(CONTENT, STYLE, size=0, content_layers="relu2_1", style_layers="relu1_1,relu2_1")
    assert objective.shape == (32, 24, 3) and objective.start.shape == (32 * 24 * 3,)
    x = drawn(32, 24, 9) / 255.0
    value, gradient = objective.value_and_gradient(x)
    assert gradient.shape == x.shape and gradient.dtype == np.float64 and isinstance(value, float)
    # A central difference along a direction, in f32.
    v = np.sign(gradient)
    slope = (objective.value_and_gradient(x + 2e-3 * v)[0] - objective.value_and_gradient(x - 2e-3 * v)[0]) / 4e-3
    assert abs(slope / (gradient * v).sum() - 1) < 0.02
    assert set(objective.terms(x)) == {"content", "style", "tv"}
    np.testing.assert_array_equal(objective.picture(objective.start), CONTENT)
    with pytest.raises(TypeError, match="shape"):
        objective.value_and_gradient(x[:2])


def test_lbfgs_of_scipy_goes_lower_than_the_notebooks_adam():
    optimize = pytest.importorskip("scipy.optimize")
    evaluations = 40
    options = {"preset": "notebook", "size": 0}
    objective = impasto.Network("random:3").objective(CONTENT, STYLE, **options)
    losses = []
    impasto.transfer(
        CONTENT,
        STYLE,
        weights="random:3",
        steps=evaluations,
        scales=1,
        callback=lambda progress: losses.append(progress.loss),
        **options,
    )
    first = objective.value_and_gradient(objective.start)[0]
    # The run starts where the objective does, and its losses are the objective's.
    assert len(losses) == evaluations and min(losses) < first
    assert abs(losses[0] / first - 1) < 1e-5
    found = optimize.minimize(
        objective.value_and_gradient,
        objective.start,
        jac=True,
        method="L-BFGS-B",
        bounds=[(0, 1)] * objective.start.size,
        options={"maxfun": evaluations, "maxiter": evaluations},
    )
    assert found.nfev <= evaluations + 20 and found.fun < min(losses)


def test_scipy_minimises_an_objective():
    optimize = pytest.importorskip("scipy.optimize")
    objective = impasto.Network("random:3").objective(CONTENT, STYLE, size=0)
    first = objective.value_and_gradient(objective.start)[0]
    found = optimize.minimize(
        objective.value_and_gradient,
        objective.start,
        jac=True,
        method="L-BFGS-B",
        bounds=[(0, 1)] * objective.start.size,
        options={"maxiter": 8},
    )
    assert found.fun < 0.5 * first

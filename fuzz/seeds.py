"""Makes small files to begin with: seeds.py FOLDER writes weights into FOLDER/weights (for the target `weights`) and pictures
into FOLDER/decode. Needs numpy and Pillow; of torch, h5py, pillow_heif and tifffile, what is there."""

import io
import itertools
import json
import shutil
import struct
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, PngImagePlugin

folder = Path(sys.argv[1]) / "weights"
folder.mkdir(parents=True, exist_ok=True)
rng = np.random.default_rng(0)
blocks = [2, 2, 4, 4, 4]
arrays, inputs = {}, 3
for block, count in enumerate(blocks, 1):
    for number in range(1, count + 1):
        arrays[f"conv{block}_{number}.weight"] = rng.standard_normal((1, inputs, 3, 3)).astype(np.float32)
        arrays[f"conv{block}_{number}.bias"] = rng.standard_normal(1).astype(np.float32)
        inputs = 1
first = {name: array for name, array in arrays.items() if name.startswith("conv1_1")}

for name, some in [("all", arrays), ("first", first)]:
    np.savez(folder / f"{name}.npz", **some)
    np.savez_compressed(folder / f"{name}-deflated.npz", **{key: a.astype(np.float16) for key, a in some.items()})
    header, data = {}, b""
    for key, array in some.items():
        end = len(data) + array.nbytes
        header[key] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [len(data), end]}
        data += array.tobytes()
    text = json.dumps(header).encode()
    (folder / f"{name}.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)

# What the tests read: a wheel and files of other programs.
for path in (Path(__file__).parent.parent / "tests/data/weights").iterdir():
    shutil.copy(path, folder)

try:
    import torch

    places = {1: [0, 2], 2: [5, 7], 3: [10, 12, 14, 16], 4: [19, 21, 23, 25], 5: [28, 30, 32, 34]}
    for name, some in [("all", arrays), ("first", first)]:
        state = {}
        for key, array in some.items():
            block, number = int(key[4]), int(key[6])
            state[f"features.{places[block][number - 1]}.{key.split('.')[1]}"] = torch.from_numpy(array)
        torch.save(state, folder / f"{name}.pth")
        torch.save(state, folder / f"{name}-old.pth", _use_new_zipfile_serialization=False)
except ImportError:
    print("no torch: no .pth")

try:
    import h5py

    for name, some in [("all", arrays), ("first", first)]:
        with h5py.File(folder / f"{name}.h5", "w") as file:
            for key, array in some.items():
                layer = f"block{key[4]}_conv{key[6]}"
                kind = "kernel" if key.endswith("weight") else "bias"
                array = array.transpose(2, 3, 1, 0) if kind == "kernel" else array
                file.create_dataset(f"{layer}/{layer}/{kind}:0", data=array)
except ImportError:
    print("no h5py: no .h5")

folder = Path(sys.argv[1]) / "decode"
folder.mkdir(parents=True, exist_ok=True)
values = rng.integers(0, 256, (7, 9, 4), dtype=np.uint8)
values[2:5] = values[2]
rgba = Image.fromarray(values, "RGBA")
exif = Image.Exif()
exif[0x010F], exif[0x0112], exif[0x8298] = "Maker", 6, "Someone"
exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 30.0, 0.0)})
profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
text = PngImagePlugin.PngInfo()
made = '{"impasto": "0.1.0", "arguments": ["transfer", "a b.png"], "settings": {"size": 9}, "weights": "sha256:00"}'
text.add_itxt("impasto", made)
xmp = f"<x:xmpmeta><impasto:made>{made}</impasto:made></x:xmpmeta>".encode()


def picture(name, image, format, **options):
    """Writes a picture, if Pillow can in this way."""
    try:
        image.save(out := io.BytesIO(), format, **options)
    except (OSError, ValueError, KeyError) as why:
        print(f"{name}: {why}")
        return
    (folder / name).write_bytes(out.getvalue())


def mode(name):
    return rgba.convert("RGB").convert(name) if name not in ("RGBA", "LA", "PA") else rgba.convert(name)


for name in ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"]:
    image = Image.fromarray(values[..., 0].astype(np.uint16) * 257) if name == "I;16" else mode(name)
    label = name.replace(";", "-")
    picture(f"{label}.png", image, "PNG")
    picture(f"{label}-all.png", image, "PNG", exif=exif, icc_profile=profile, pnginfo=text)
    for compression in ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "group4", "jpeg"]:
        picture(f"{label}-{compression}.tiff", image, "TIFF", compression=compression)
picture("small-palette.png", mode("RGB").quantize(4), "PNG", bits=2, transparency=1)
picture("cmyk.tiff", mode("CMYK"), "TIFF")
picture("ycbcr.tiff", mode("YCbCr"), "TIFF", compression="jpeg")
picture("float.tiff", Image.fromarray(values[..., 0].astype(np.float32) / 255), "TIFF")
picture("all.tiff", mode("RGB"), "TIFF", exif=exif, icc_profile=profile, tiffinfo={700: xmp})
for name, progressive, sampling in itertools.product(["L", "RGB", "CMYK"], [False, True], [0, 1, 2]):
    picture(f"{name}-{progressive}-{sampling}.jpg", mode(name), "JPEG", progressive=progressive, subsampling=sampling)
picture("restarts.jpg", mode("RGB").resize((40, 40)), "JPEG", restart_marker_blocks=1)
picture("all.jpg", mode("RGB"), "JPEG", exif=exif, icc_profile=profile, xmp=xmp)
for lossless, name in itertools.product([False, True], ["RGB", "RGBA"]):
    picture(f"{name}-{lossless}.webp", mode(name), "WEBP", lossless=lossless)
picture("all.webp", mode("RGB"), "WEBP", exif=exif.tobytes(), icc_profile=profile, xmp=xmp)
picture("moving.webp", mode("RGB"), "WEBP", save_all=True, append_images=[mode("RGB").rotate(180)])
for name in ["1", "L", "P", "RGB", "RGBA"]:
    picture(f"{name}.bmp", mode(name), "BMP")
picture("moving.gif", mode("P"), "GIF", save_all=True, append_images=[mode("P").rotate(180)], transparency=3)
picture("interlaced.gif", mode("P"), "GIF", interlace=1)
picture("avif.avif", mode("RGB"), "AVIF")
for name, text in [
    ("page", b"<!DOCTYPE html><html>"),
    ("pointer", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"),
    ("drawing", b"<?xml version='1.0'?><svg xmlns=''>"),
]:
    (folder / name).write_bytes(text)
    (folder.parent / "weights" / name).write_bytes(text)

try:
    import pillow_heif

    pillow_heif.register_heif_opener()
    for name in ["L", "RGB", "RGBA"]:
        picture(f"{name}.heic", mode(name).resize((64, 64)), "HEIF", exif=exif.tobytes(), icc_profile=profile)
except ImportError:
    print("no pillow_heif: no .heic")

try:
    import tifffile

    for dtype, planar, tile, big in itertools.product(
        ["uint8", "uint16", "uint32", "float16", "float32", "float64"], [False, True], [None, (16, 16)], [False, True]
    ):
        array = values[..., :3] / 255 if dtype.startswith("float") else values[..., :3]
        array, config = array.astype(dtype), "contig"
        if planar:
            array, config = array.transpose(2, 0, 1), "separate"
        name = f"{dtype}-{config}-{'tiles' if tile else 'strips'}-{'big' if big else 'small'}.tiff"
        order = ">" if planar else "<"
        tifffile.imwrite(
            folder / name, array, photometric="rgb", planarconfig=config, tile=tile, bigtiff=big, byteorder=order
        )
except ImportError:
    print("no tifffile: no .tiff of its kinds")

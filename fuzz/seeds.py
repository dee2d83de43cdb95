"""Makes small files of weights for the target `weights` to begin with: seeds.py FOLDER. Needs numpy; of torch and h5py, what is there."""

import json
import struct
import sys
from pathlib import Path

import numpy as np

folder = Path(sys.argv[1])
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

//! Identifies files in unsupported formats by their first bytes.

/// The command that helps with most of these files.
pub(in super::super) const FETCH: &str = "`impasto weights fetch` gets weights that fit";

/// What the file is, phrased to follow its name, and what to do.
pub(super) fn name(start: &[u8]) -> String {
    let text = String::from_utf8_lossy(start).trim_start().to_lowercase();
    let has = |word: &[u8]| start.windows(word.len()).any(|window| window == word);
    if start.is_empty() {
        format!("is empty; {FETCH}")
    } else if start.starts_with(b"\x93NUMPY") {
        "is a single array (npy); the weights are many: save them with numpy.savez".into()
    } else if text.starts_with("version https://git-lfs") {
        "is a Git LFS pointer: the file itself was not fetched; `git lfs pull` in its repository fetches it".into()
    } else if ["<!doctype", "<html", "<?xml"].iter().any(|tag| text.starts_with(tag)) {
        format!("is a web page: the download went wrong; {FETCH}")
    } else if text.starts_with("matlab") {
        format!(
            "is a MATLAB file (.mat), which impasto does not read; {FETCH}, the same numbers as in MatConvNet's file"
        )
    } else if start.starts_with(b"\x0a") && (has(b"VGG_") || has(b"conv1_1") || has(b"data")) {
        format!(
            "is a Caffe model (.caffemodel), which impasto does not read; {FETCH}, the same numbers as in Caffe's VGG19"
        )
    } else if start.starts_with(b"\x08") && (has(b"pytorch") || has(b"onnx") || has(b"tf2onnx")) {
        format!("is an ONNX model, which impasto does not read; {FETCH}")
    } else if start.starts_with(b"\x1f\x8b") {
        "is compressed with gzip: unpack it with gunzip first".into()
    } else if start.starts_with(b"\x80") {
        format!("is a Python pickle, but not a PyTorch checkpoint; {FETCH}")
    } else {
        format!("is not in a known format of weights (npz, safetensors, PyTorch's .pth, Keras's .h5); {FETCH}")
    }
}

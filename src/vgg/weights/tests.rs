//! Loading files of every format, whole and damaged.

use std::path::{Path, PathBuf};

use ndarray::{Array1, Array2, Array3, ArrayD, Axis, IxDyn};
use npyz::WriterBuilder;
use proptest::prelude::*;
use zip::write::{SimpleFileOptions, ZipWriter};

use super::testing::{Arrays, array, file, header, npy, npz};
use super::*;

/// The first layers of a small network, with values that are exact in float16. The first kernels are
/// (3, 3, 3, 3), so that only the name tells Keras's layout; the following ones are cut into tiles.
fn network() -> Vec<ConvWeights> {
    let mut weights = Weights::random_with_widths([3, 20, 5, 5, 5], 4, Some("conv3_1".parse().unwrap()));
    for (index, conv) in weights.convolutions.iter_mut().enumerate() {
        conv.weight.mapv_inplace(|v| half::f16::from_f32(v).to_f32());
        conv.bias = Array1::from_iter((0..conv.bias.len()).map(|i| (i + index) as f32 / 4.0));
    }
    weights.convolutions
}

/// The arrays of a network in our naming.
fn arrays(network: &[ConvWeights]) -> Arrays {
    let names = |index| format!("conv{}", &Layer::of_convolution(index).0.to_string()[4..]);
    let pair = |(index, conv): (usize, &ConvWeights)| {
        let (kernel, bias) = (conv.weight.clone().into_dyn(), conv.bias.clone().into_dyn());
        [array(&format!("{}.weight", names(index)), &kernel), array(&format!("{}.bias", names(index)), &bias)]
    };
    network.iter().enumerate().flat_map(pair).collect()
}

fn load(path: &Path, deepest: &str) -> Result<Weights, WeightsError> {
    Weights::load(&WeightSource::File(path.into()), Some(deepest.parse().unwrap()))
}

fn load_all(arrays: &Arrays) -> Result<Weights, WeightsError> {
    let (_folder, path) = npz(arrays);
    Weights::load(&WeightSource::File(path), None)
}

/// The error for these arrays, after the file's name.
fn complaint(arrays: &Arrays) -> String {
    let message = load_all(arrays).unwrap_err().to_string();
    assert!(message.contains("w.npz` "), "{message}");
    message
}

fn assert_same(loaded: &[ConvWeights], expected: &[ConvWeights], what: &str) {
    assert_eq!(loaded.len(), expected.len(), "{what}");
    for (loaded, expected) in loaded.iter().zip(expected) {
        assert_eq!(loaded.weight, expected.weight, "{what}");
        assert_eq!(loaded.bias, expected.bias, "{what}");
        assert!(loaded.weight.view().permuted_axes([2, 3, 1, 0]).is_standard_layout(), "{what}");
    }
}

/// A naming scheme: the layers' names, the names of each one's arrays, and whether kernels are (3, 3, in, out).
type Naming<'a> = (&'a [&'a str], fn(&str) -> [String; 2], bool);

#[test]
fn every_naming_type_and_order_is_read_alike() {
    let network = network();
    let torchvision = ["0", "2", "5", "7", "10"];
    let keras = ["block1_conv1", "block1_conv2", "block2_conv1", "block2_conv2", "block3_conv1"];
    let ours = ["conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1"];
    let namings: [Naming<'_>; 7] = [
        (&ours, |l| [format!("{l}.weight"), format!("{l}.bias")], false),
        (&torchvision, |l| [format!("features.{l}.weight"), format!("features.{l}.bias")], false),
        (&torchvision, |l| [format!("{l}.weight"), format!("{l}.bias")], false),
        (&keras, |l| [format!("{l}/kernel"), format!("{l}/bias")], true),
        (&keras, |l| [format!("{l}_W_1:0"), format!("{l}_b_1:0")], true),
        (&keras, |l| [format!("{l}/{l}/kernel:0"), format!("{l}/{l}/bias:0")], true),
        (&keras, |l| [format!("layers/{l}/vars/0"), format!("layers/{l}/vars/1")], true),
    ];
    for (layers, naming, is_keras) in namings {
        for dtype in ["<f2", ">f2", "<f4", ">f4", "<f8", ">f8"] {
            for order in ['C', 'F'] {
                let mut arrays = Arrays::new();
                for (layer, conv) in layers.iter().zip(&network) {
                    let mut kernel = conv.weight.view();
                    if is_keras && arrays.is_empty() {
                        // Keras's take blue first.
                        kernel.invert_axis(Axis(1));
                    }
                    let kernel = if is_keras { kernel.permuted_axes([2, 3, 1, 0]) } else { kernel };
                    let [kernel_name, bias_name] = naming(layer);
                    arrays.push((kernel_name, npy(dtype, order, &kernel.into_dyn())));
                    arrays.push((bias_name, npy(dtype, order, &conv.bias.view().into_dyn())));
                }
                let what = format!("{} {dtype} {order}", arrays[0].0);
                let loaded = load_all(&arrays).unwrap_or_else(|error| panic!("{what}: {error}"));
                assert_same(&loaded.convolutions, &network, &what);
                let input = if is_keras { Input::Caffe } else { Input::Torchvision };
                assert_eq!((loaded.mean, loaded.std), input.statistics());
                assert_eq!(loaded.lineage, if is_keras { Lineage::Caffe } else { Lineage::Unknown });
                assert!(loaded.classifier.is_none());
            }
        }
    }
}

#[test]
fn either_layout_is_recognised_under_any_name() {
    let network = network();
    let mut arrays = arrays(&network);
    // conv2_1 is (20, 3, 3, 3); Keras would write (3, 3, 3, 20).
    arrays[4].1 = npy("<f4", 'C', &network[2].weight.view().permuted_axes([2, 3, 1, 0]).into_dyn());
    assert_same(&load_all(&arrays).unwrap().convolutions, &network, "conv2_1 in Keras's layout");
}

#[test]
fn npyz_own_files_are_read() {
    let network = network();
    let (_folder, path) = file(b"");
    let mut writer = ZipWriter::new(std::fs::File::create(&path).unwrap());
    let mut write = |name: &str, array: &ArrayD<f32>| {
        let shape: Vec<u64> = array.shape().iter().map(|&len| len as u64).collect();
        writer.start_file(npyz::npz::file_name_from_array_name(name), SimpleFileOptions::default()).unwrap();
        let entry = npyz::WriteOptions::new().default_dtype().shape(&shape).writer(&mut writer);
        let mut entry = entry.begin_nd().unwrap();
        entry.extend(array.iter().copied()).unwrap();
        entry.finish().unwrap();
    };
    write("conv1_1.weight", &network[0].weight.clone().into_dyn());
    write("conv1_1.bias", &network[0].bias.clone().into_dyn());
    writer.finish().unwrap();
    assert_same(&load(&path, "conv1_1").unwrap().convolutions, &network[..1], "npyz");
}

#[test]
fn other_arrays_are_ignored_and_statistics_are_taken() {
    let network = network();
    let mut arrays = arrays(&network);
    arrays.push(("epoch".into(), b"no array at all".to_vec()));
    arrays.push(array("input.mean", &ArrayD::from_shape_vec(IxDyn(&[3]), vec![0.1, 0.2, 0.3]).unwrap()));
    arrays.push(array("input.std", &ArrayD::from_elem(IxDyn(&[3]), 0.5)));
    let loaded = load_all(&arrays).unwrap();
    assert_same(&loaded.convolutions, &network, "with others");
    assert_eq!((loaded.mean, loaded.std), ([0.1, 0.2, 0.3], [0.5; 3]));
}

#[test]
fn only_what_is_needed_is_read() {
    let network = network();
    let mut arrays = arrays(&network);
    arrays[6].1 = b"damaged".to_vec();
    let (_folder, path) = npz(&arrays);
    assert_same(&load(&path, "pool1").unwrap().convolutions, &network[..2], "pool1");
    assert_same(&load(&path, "relu2_1").unwrap().convolutions, &network[..3], "relu2_1");
    let message = load(&path, "conv2_2").unwrap_err().to_string();
    assert!(message.starts_with("the array `conv2_2.weight` in the weights file"), "{message}");
}

#[test]
fn the_classifier_is_read_when_asked_for_and_reordered() {
    let conv = Weights::random_with_widths([1, 1, 1, 1, 2], 4, None);
    let fc6 = Array2::from_shape_fn((3, 98), |(row, column)| (100 * row + column) as f32);
    let fc7 = Array2::from_shape_fn((4, 3), |(row, column)| (10 * row + column) as f32);
    let fc8 = Array2::from_shape_fn((5, 4), |(row, column)| (row + column) as f32);
    let zeros = |len| ArrayD::zeros(IxDyn(&[len]));
    let named = |names: [&str; 3], order| {
        let mut arrays = arrays(&conv.convolutions);
        for (name, matrix) in names.iter().zip([&fc6, &fc7, &fc8]) {
            arrays.push((format!("{name}.weight"), npy("<f4", order, &matrix.view().into_dyn())));
            arrays.push(array(&format!("{name}.bias"), &zeros(matrix.nrows())));
        }
        arrays
    };
    // What torchvision computes: fc6 times the features flattened as (channels, 7, 7).
    let features = Array3::from_shape_fn((7, 7, 2), |(y, x, c)| (y * y + 3 * x + 50 * c) as f32);
    let planes = features.view().permuted_axes([2, 0, 1]).as_standard_layout().into_owned();
    let expected = fc6.dot(&planes.into_shape_with_order(98).unwrap());
    let flat = features.into_shape_with_order(98).unwrap();
    for (names, order) in [(["fc6", "fc7", "fc8"], 'C'), (["classifier.0", "classifier.3", "classifier.6"], 'F')] {
        let (_folder, path) = npz(&named(names, order));
        assert!(load(&path, "pool5").unwrap().classifier.is_none());
        let classifier = load(&path, "relu7").unwrap().classifier.unwrap();
        assert_eq!(classifier.len(), 2);
        let classifier = load(&path, "fc8").unwrap().classifier.unwrap();
        assert_eq!(classifier[0].weight.dot(&flat), expected);
        assert_eq!(classifier[1].weight, fc7);
        assert_eq!(classifier[2].weight, fc8);
        assert_eq!(classifier[2].bias, Array1::<f32>::zeros(5));
    }
    let mut wrong = named(["fc6", "fc7", "fc8"], 'C');
    wrong[32].1 = npy("<f4", 'C', &fc7.view().into_dyn());
    let (_folder, path) = npz(&wrong);
    let message = load(&path, "fc6").unwrap_err().to_string();
    assert!(message.ends_with("has the shape [4, 3]; fc6 is (out, 98)"), "{message}");
}

#[test]
fn names_that_make_no_network_are_told() {
    let complete = arrays(&network());
    let without = |name: &str| complete.iter().filter(|(other, _)| other != name).cloned().collect::<Arrays>();
    let check = |arrays: &Arrays, expected: &str| {
        let message = complaint(arrays);
        assert!(message.ends_with(expected), "{message}");
    };
    check(&without("conv1_2.weight"), "has no weight of conv1_2 although it has `conv1_2.bias`");
    check(&without("conv3_1.bias"), "has no bias of conv3_1 although it has `conv3_1.weight`");
    let gap = without("conv1_1.weight").into_iter().filter(|(name, _)| name != "conv1_1.bias").collect();
    check(&gap, "has no weight of conv1_1 although it has `conv3_1.weight`");
    let mut twice = complete.clone();
    twice.push(("features.2.weight".into(), twice[2].1.clone()));
    check(&twice, "has the same array twice, as `conv1_2.weight` and as `features.2.weight`; leave one of them out");
    let foreign: Arrays = (1..=9).map(|i| (format!("arr_{i}"), complete[0].1.clone())).collect();
    let message = complaint(&foreign);
    assert!(message.contains("its arrays are `arr_1`, `arr_2`, `arr_3`"), "{message}");
    assert!(message.contains("`arr_8`, …, expected are conv1_1.weight and conv1_1.bias"), "{message}");
}

#[test]
fn shapes_that_do_not_fit_are_told() {
    let complete = arrays(&network());
    let check = |index: usize, shape: &[usize], expected: &str| {
        let mut arrays = complete.clone();
        arrays[index].1 = npy("<f4", 'C', &ArrayD::zeros(IxDyn(shape)).view());
        let message = complaint(&arrays);
        assert_eq!(message.split_once("w.npz` ").unwrap().1, expected);
        assert!(message.starts_with(&format!("the array `{}` in the weights file `", arrays[index].0)), "{message}");
    };
    let kernel = "a kernel is (out, in, 3, 3) or (3, 3, in, out)";
    check(0, &[3, 3, 5, 5], "is for 5 channels in and 5 out; conv1_1 has 3 in and at least one out");
    check(0, &[8, 4, 3, 3], "is for 4 channels in and 8 out; conv1_1 has 3 in and at least one out");
    check(0, &[8, 3, 5, 5], &format!("has the shape [8, 3, 5, 5]; {kernel}"));
    check(0, &[81], &format!("has the shape [81]; {kernel}"));
    check(0, &[], &format!("has the shape []; {kernel}"));
    check(2, &[0, 3, 3, 3], "is for 3 channels in and 0 out; conv1_2 has 3 in and at least one out");
    check(6, &[20, 19, 3, 3], "is for 19 channels in and 20 out; conv2_2 has 20 in and at least one out");
    check(1, &[4], "has the shape [4] instead of [3]");
    check(1, &[3, 1], "has the shape [3, 1] instead of [3]");
    let mut statistics = complete.clone();
    statistics.push(array("input.std", &ArrayD::ones(IxDyn(&[1]))));
    assert!(complaint(&statistics).ends_with("has the shape [1] instead of [3]"));
    statistics.last_mut().unwrap().1 = npy("<f4", 'C', &ArrayD::zeros(IxDyn(&[3])).view());
    assert!(complaint(&statistics).ends_with("holds [0.0, 0.0, 0.0]; standard deviations are positive"));
}

#[test]
fn values_that_are_not_finite_are_told() {
    let network = network();
    for (value, shown) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf"), (f32::NEG_INFINITY, "-inf")] {
        for array in [0, 3] {
            let mut arrays = arrays(&network);
            let len = arrays[array].1.len();
            arrays[array].1[len - 4..].copy_from_slice(&value.to_le_bytes());
            let message = complaint(&arrays);
            let position = if array == 0 { 80 } else { 2 };
            let expected = format!("holds {shown} at position {position}; weights are finite");
            assert!(message.ends_with(&expected), "{message}");
        }
    }
    // Finite as a float64, but not as a float32.
    let mut arrays = arrays(&network);
    let mut bias = header("{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }");
    bias.extend([1e39f64; 3].iter().flat_map(|v| v.to_le_bytes()));
    arrays[1].1 = bias;
    assert!(complaint(&arrays).ends_with("holds inf at position 0; weights are finite"));
}

#[test]
fn headers_that_lie_are_told_before_anything_is_allocated() {
    let complete = arrays(&network());
    let check = |text: &str, expected: &str| {
        let mut arrays = complete.clone();
        arrays[0].1 = header(text);
        arrays[0].1.extend([0; 324]);
        let message = complaint(&arrays);
        assert!(message.split_once("w.npz` ").unwrap().1.starts_with(expected), "{message}");
    };
    let shape = |shape: &str| format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
    check(
        &shape("(1000000000, 3, 3, 3)"),
        "declares 108000000000 bytes (shape [1000000000, 3, 3, 3]) but the file has 324",
    );
    check(&shape("(2, 3, 3, 3)"), "declares 216 bytes (shape [2, 3, 3, 3]) but the file has 324");
    check(&shape("(4, 3, 3, 3)"), "declares 432 bytes (shape [4, 3, 3, 3]) but the file has 324");
    check(&shape("(9223372036854775807, 9223372036854775807, 3, 3)"), "has an impossible header");
    check(&shape("(99999999999999999999, 0)"), "has an impossible header");
    check(&shape("(1000000000, 0, 3, 3)"), "declares 0 bytes");
    check(&"(".repeat(9000), "has an impossible header");
    check(&"x".repeat(10_000), "has a header of 10001 bytes");
    check(&shape("(-3, 3, 3, 3)"), "is not a numpy array: dimension cannot be negative");
    check("{'descr': '<f4'}", "is not a numpy array: dict is missing key");
    let typed = |dtype: &str| format!("{{'descr': {dtype}, 'fortran_order': False, 'shape': (3, 3, 3, 3), }}");
    for dtype in ["'<i4'", "'|O'", "'<c8'", "'|S4'"] {
        check(&typed(dtype), &format!("holds numbers of type {dtype}; weights are float16, float32 or float64"));
    }
    check(&typed("[('a', '<f4')]"), "holds numbers of type [('a', '<f4'), ]; weights are");
}

#[test]
fn what_is_no_npz_is_named() {
    let check = |bytes: &[u8], expected: &str| {
        let (_folder, path) = file(bytes);
        let message = load(&path, "conv1_1").unwrap_err().to_string();
        assert!(message.split_once("w.npz` ").unwrap().1.starts_with(expected), "{message}");
    };
    check(b"", "is empty");
    check(b"\n<!DOCTYPE html><html>", "is a web page");
    check(b"<HTML>", "is a web page");
    check(&header("{}"), "is a single array (npy)");
    check(b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "is a PyTorch file that cannot be read");
    check(b"\x80\x02}q\x00.", "is a Python pickle");
    check(b"\x89HDF\r\n\x1a\n", "is HDF5 that cannot be read");
    check(b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n", "is a Git LFS pointer");
    check(b"MATLAB 5.0 MAT-file, Platform: GLNXA64", "is a MATLAB file (.mat)");
    check(b"MATLAB 7.3 MAT-file, Platform: GLNXA64", "is a MATLAB file (.mat)");
    check(b"\n\x14VGG_ILSVRC_19_layers\x12\x05data", "is a Caffe model (.caffemodel)");
    check(b"\x08\x06\x12\x07pytorch\x1a", "is an ONNX model");
    check(b"\x1f\x8b\x08\x00", "is compressed with gzip");
    check(b"hello", "is not in a known format of weights");
    check(b"PK\x03\x04 and no more", "is damaged or incomplete");
    // An archive of nothing is its list of contents alone.
    check(&[b"PK\x05\x06".as_slice(), &[0; 18]].concat(), "is a zip archive that holds no arrays (it holds nothing)");
    let (_folder, path) = checkpoint();
    let message = load(&path, "conv1_1").unwrap_err().to_string();
    assert!(message.contains("is a PyTorch file") && message.contains("`impasto weights fetch`"), "{message}");
    let folder = tempfile::tempdir().unwrap();
    let missing = load(&folder.path().join("absent.npz"), "conv1_1").unwrap_err();
    assert!(matches!(missing, WeightsError::Read { .. }));
    assert!(missing.to_string().contains("absent.npz` cannot be read: "), "{missing}");
    let directory = load(folder.path(), "conv1_1").unwrap_err();
    assert!(matches!(directory, WeightsError::Read { .. } | WeightsError::Foreign { .. }));
}

/// A zip archive as `torch.save` writes it.
fn checkpoint() -> (tempfile::TempDir, PathBuf) {
    let (folder, path) = file(b"");
    let mut writer = ZipWriter::new(std::fs::File::create(&path).unwrap());
    writer.start_file("vgg19/data.pkl", SimpleFileOptions::default()).unwrap();
    writer.finish().unwrap();
    (folder, path)
}

fn thin() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/vgg19-thin.npz")
}

#[test]
#[expect(clippy::unreadable_literal, clippy::float_cmp, reason = "the same bits, as numpy prints them")]
fn numpy_s_stored_files_are_read() {
    let weights = Weights::from_file(&thin(), None).unwrap();
    assert_eq!(weights.convolutions.len(), 16);
    let widths: Vec<_> = weights.convolutions.iter().map(|conv| conv.bias.len()).collect();
    assert_eq!(widths, [8, 8, 16, 16, 32, 32, 32, 32, 64, 64, 64, 64, 64, 64, 64, 64]);
    // As numpy prints them.
    assert_eq!(weights.convolutions[0].weight[[0, 0, 0, 0]], 0.42205825);
    assert_eq!(weights.convolutions[3].weight[[5, 9, 1, 2]], -0.09272116);
    assert_eq!(weights.convolutions[15].weight[[63, 62, 2, 0]], 0.15489699);
    assert_eq!(weights.convolutions[4].bias[7], -0.059484046);
    assert_eq!((weights.mean, weights.std), ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]));
}

#[test]
fn damage_inside_of_a_file_is_found() {
    let bytes = std::fs::read(thin()).unwrap();
    // Cut short: the list of contents at the end is gone.
    let (_folder, path) = file(&bytes[..bytes.len() / 2]);
    let message = load(&path, "conv1_1").unwrap_err().to_string();
    assert!(message.contains("is damaged or incomplete"), "{message}");
    // One bit of conv1_1's data: the checksum tells.
    let mut flipped = bytes.clone();
    flipped[400] ^= 1;
    let (_folder, path) = file(&flipped);
    let message = load(&path, "conv1_1").unwrap_err().to_string();
    assert!(message.starts_with("the array `conv1_1.weight`") && message.ends_with("Invalid checksum"), "{message}");
    // The list of contents claims a terabyte for conv1_1.weight: it says 992 bytes twice, 20 bytes into the entry.
    let name = b"conv1_1.weight.npy";
    let entry = bytes.windows(name.len()).rposition(|window| window == name).unwrap() - 46;
    let mut claim = bytes.clone();
    assert_eq!(claim[entry + 24..entry + 28], 992u32.to_le_bytes());
    claim[entry + 24..entry + 28].copy_from_slice(&0xffff_fff0u32.to_le_bytes());
    let (_folder, path) = file(&claim);
    let message = load(&path, "conv1_1").unwrap_err().to_string();
    assert!(message.contains("claims 4294967280 bytes, packed into 992, in a file of 1263492"), "{message}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Loading a damaged file succeeds or returns an error; it never panics.
    #[test]
    fn no_damage_makes_it_panic(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), cut in 0usize..40) {
        let (_folder, path) = npz(&arrays(&network()[..1]));
        let mut bytes = std::fs::read(&path).unwrap();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        bytes.truncate(bytes.len() - cut.saturating_sub(20));
        std::fs::write(&path, bytes).unwrap();
        if let Ok(weights) = load(&path, "conv1_1") {
            prop_assert!(weights.convolutions[0].weight.iter().all(|v| v.is_finite()));
        }
    }
}

#[test]
fn trained_weights_are_read_where_they_are() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/weights/vgg19-conv3_4.npz");
    if !path.is_file() {
        eprintln!("skipped: no {}", path.display());
        return;
    }
    let weights = Weights::from_file(&path, None).unwrap();
    let shapes: Vec<_> = weights.convolutions.iter().map(|conv| conv.weight.dim()).collect();
    let expected = [(64, 3), (64, 64), (128, 64), (128, 128), (256, 128), (256, 256), (256, 256), (256, 256)];
    assert_eq!(shapes, expected.map(|(outputs, inputs)| (outputs, inputs, 3, 3)));
}

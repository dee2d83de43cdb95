//! `PyTorch`'s results for single operations (tests/data/ops), and the comparison with ours.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;

use ndarray::{ArrayD, IxDyn};
use npyz::NpyFile;
use serde_json::Value as Json;
use zip::ZipArchive;

use crate::kernels::{ConvGeometry, Padding, PaddingMode, PoolGeometry};
use crate::tape::{Real, Tape, Var};

/// One operator's case: `x`, further inputs, `y`, an output gradient `dy`, and `dx`, `dweight`, `dbias`.
pub(super) struct Reference {
    name: String,
    arrays: HashMap<String, ArrayD<f64>>,
    attributes: Json,
}

pub(super) fn reference(name: &str) -> Reference {
    let path = format!("{}/tests/data/ops/{name}", env!("CARGO_MANIFEST_DIR"));
    let attributes = serde_json::from_str(&std::fs::read_to_string(format!("{path}.json")).unwrap()).unwrap();
    let mut archive = ZipArchive::new(BufReader::new(File::open(format!("{path}.npz")).unwrap())).unwrap();
    let mut arrays = HashMap::new();
    for index in 0..archive.len() {
        let entry = archive.by_index(index).unwrap();
        let array = entry.name().unwrap().trim_end_matches(".npy").to_string();
        let npy = NpyFile::new(entry).unwrap();
        assert_eq!(npy.order(), npyz::Order::C, "{name}: {array} is not in row-major order");
        let shape: Vec<usize> = npy.shape().iter().map(|&n| n as usize).collect();
        arrays.insert(array, ArrayD::from_shape_vec(IxDyn(&shape), npy.into_vec::<f64>().unwrap()).unwrap());
    }
    Reference { name: name.into(), arrays, attributes }
}

/// What the operations of a tape say that they keep.
pub(super) fn kept_on(tape: &Tape<f64>) -> String {
    let text = tape.to_string();
    text.split_once("keeping ").unwrap().1.split_once(" for").unwrap().0.to_owned()
}

impl Reference {
    pub(super) fn array<T: Real>(&self, name: &str) -> ArrayD<T> {
        self.arrays[name].mapv(T::of)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.arrays.contains_key(name)
    }

    pub(super) fn number(&self, name: &str) -> f64 {
        self.attributes[name].as_f64().unwrap()
    }

    fn size(&self, name: &str) -> usize {
        self.number(name) as usize
    }

    pub(super) fn conv(&self) -> ConvGeometry {
        ConvGeometry {
            stride: [self.size("stride"); 2],
            padding: Padding::same(self.size("padding")),
            mode: self.attributes["mode"].as_str().map_or(PaddingMode::Zeros, |mode| mode.parse().unwrap()),
            dilation: [self.size("dilation"); 2],
        }
    }

    pub(super) fn pool(&self) -> PoolGeometry {
        PoolGeometry {
            kernel: [self.size("kernel"); 2],
            stride: [self.size("stride"); 2],
            padding: [self.size("padding"); 2],
            ceil_mode: self.attributes["ceil_mode"].as_bool().unwrap(),
        }
    }
}

/// Asserts that `operation` on the named inputs and its gradients agree with the case: to 1e-9 of the largest element in f64,
/// to 1e-4 in f32.
pub(super) fn agrees<T: Real>(
    case: &Reference,
    inputs: &[&str],
    operation: impl for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T>,
) {
    let tolerance = if T::NAME == "f64" { 1e-9 } else { 1e-4 };
    let close = |what: &str, ours: &ArrayD<T>, theirs: &ArrayD<f64>| {
        assert_eq!(ours.shape(), theirs.shape(), "{} {what}: shapes", case.name);
        let scale = theirs.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        for (ours, theirs) in ours.iter().zip(theirs) {
            if theirs.is_nan() {
                // PyTorch's 0·∞ at the one corner without neighbours of total variation with β = 1; the limit is finite.
                assert!(ours.is_finite(), "{} {what} in {}: {ours}", case.name, T::NAME);
                continue;
            }
            let error = (Real::to_f64(*ours) - theirs).abs();
            assert!(error <= tolerance * scale, "{} {what} in {}: {ours} is not {theirs}", case.name, T::NAME);
        }
    };
    let tape = Tape::<T>::new();
    let variables: Vec<_> = inputs.iter().map(|name| tape.variable(case.array::<T>(name))).collect();
    let y = operation(&variables);
    close("y", y.value(), &case.arrays["y"]);
    let dy = if case.has("dy") { case.array::<T>("dy") } else { ArrayD::ones(y.shape()) };
    let gradients = y.backward_from(dy);
    for (name, variable) in inputs.iter().zip(&variables) {
        let name = format!("d{name}");
        close(&name, gradients.get(variable).unwrap(), &case.arrays[&name]);
    }
}

//! ONNX's own operator cases (backend node tests, Apache-2.0), kept beside the project and not in it.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use impasto::ops::{self, ConvAlgorithm, ConvGeometry, PoolGeometry};
use impasto::tape::{Real, Tape, Var};
use ndarray::{Array3, ArrayD, Ix4, IxDyn};
use npyz::NpyFile;
use serde_json::Value as Json;
use zip::ZipArchive;

/// One case: arrays as (batch, channels, height, width).
struct Case {
    name: String,
    operator: String,
    attributes: Json,
    arrays: HashMap<String, ArrayD<f32>>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/reference/onnx")
}

fn case(path: &Path) -> Case {
    let json: Json = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut archive = ZipArchive::new(BufReader::new(File::open(path.with_extension("npz")).unwrap())).unwrap();
    let arrays = (0..archive.len()).map(|index| {
        let entry = archive.by_index(index).unwrap();
        let name = entry.name().unwrap().trim_end_matches(".npy").to_string();
        let npy = NpyFile::new(entry).unwrap();
        let shape: Vec<usize> = npy.shape().iter().map(|&n| n as usize).collect();
        (name, ArrayD::from_shape_vec(IxDyn(&shape), npy.into_vec::<f32>().unwrap()).unwrap())
    });
    Case {
        name: path.file_stem().unwrap().to_string_lossy().into_owned(),
        operator: json["op"].as_str().unwrap().into(),
        attributes: json["attributes"].clone(),
        arrays: arrays.collect(),
    }
}

impl Case {
    fn numbers(&self, attribute: &str) -> Option<Vec<usize>> {
        let numbers = self.attributes.get(attribute)?.as_array()?;
        Some(numbers.iter().map(|n| n.as_u64().unwrap() as usize).collect())
    }

    fn pair(&self, attribute: &str) -> [usize; 2] {
        self.numbers(attribute).map_or([1, 1], |numbers| numbers.try_into().unwrap())
    }

    /// Top, left, bottom, right.
    fn pads(&self) -> [usize; 4] {
        self.numbers("pads").map_or([0; 4], |numbers| numbers.try_into().unwrap())
    }

    fn flag(&self, attribute: &str) -> bool {
        self.attributes.get(attribute).and_then(Json::as_u64) == Some(1)
    }

    /// Why this case asks for something that impasto does not do; `None` where it does.
    fn out_of_scope(&self) -> Option<&'static str> {
        let [top, left, bottom, right] = self.pads();
        let pooling = self.operator.ends_with("Pool");
        if !["Conv", "MaxPool", "AveragePool"].contains(&&self.operator[..]) {
            Some("no operation of impasto")
        } else if self.attributes.get("auto_pad").is_some_and(|pad| pad != "NOTSET") {
            Some("automatic padding")
        } else if self.attributes.get("group").is_some_and(|group| group != 1) {
            Some("grouped convolution")
        } else if pooling && (top, left) != (bottom, right) {
            Some("pooling padded unevenly")
        } else if pooling && self.pair("dilations") != [1, 1] {
            Some("dilated pooling")
        } else if self.operator == "AveragePool" && self.pads() != [0; 4] && !self.flag("count_include_pad") {
            Some("average that does not count the padding")
        } else {
            None
        }
    }

    /// Image number `index` of a batch as (height, width, channels).
    fn image(&self, name: &str, index: usize) -> Array3<f32> {
        let batch = self.arrays[name].view().into_dimensionality::<Ix4>().unwrap();
        batch.index_axis_move(ndarray::Axis(0), index).permuted_axes([1, 2, 0]).as_standard_layout().into_owned()
    }

    fn apply<'t, T: Real>(&self, x: &Var<'t, T>, algorithm: ConvAlgorithm) -> Var<'t, T> {
        if self.operator == "Conv" {
            let tape = x.tape();
            let constant = |name: &str| Some(tape.constant(self.arrays.get(name)?.mapv(|v| T::of(f64::from(v)))));
            let geometry = ConvGeometry {
                stride: self.pair("strides"),
                padding: self.pads().into(),
                dilation: self.pair("dilations"),
                ..ConvGeometry::default()
            };
            let weight = constant("input.W").unwrap();
            return ops::conv2d(x, &weight, constant("input.B").as_ref(), &geometry, algorithm);
        }
        let [top, left, ..] = self.pads();
        let geometry = PoolGeometry {
            kernel: self.pair("kernel_shape"),
            stride: self.pair("strides"),
            padding: [top, left],
            ceil_mode: self.flag("ceil_mode"),
        };
        if self.operator == "MaxPool" { ops::max_pool2d(x, &geometry) } else { ops::avg_pool2d(x, &geometry) }
    }

    /// The largest difference to ONNX's output in units of its largest element.
    fn error<T: Real>(&self, algorithm: ConvAlgorithm) -> f64 {
        let (mut error, mut scale) = (0.0f64, 0.0f64);
        for index in 0..self.arrays["input.x"].shape()[0] {
            let tape = Tape::<T>::new();
            let x = tape.constant(self.image("input.x", index).mapv(|v| T::of(f64::from(v))));
            let (ours, theirs) = (self.apply(&x, algorithm), self.image("output.y", index));
            assert_eq!(ours.shape(), theirs.shape(), "{}", self.name);
            for (ours, theirs) in ours.value().iter().zip(&theirs) {
                error = error.max((Real::to_f64(*ours) - f64::from(*theirs)).abs());
                scale = scale.max(f64::from(theirs.abs()));
            }
        }
        error / scale
    }
}

#[test]
fn agrees_with_onnx() {
    let Ok(files) = std::fs::read_dir(folder()) else {
        println!("skipped: no ONNX cases at {}", folder().display());
        return;
    };
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    let mut checked = 0;
    for path in paths {
        let case = case(&path);
        if let Some(why) = case.out_of_scope() {
            println!("out of scope: {} ({why})", case.name);
            continue;
        }
        for algorithm in ConvAlgorithm::ALL {
            // ONNX's numbers are f32.
            let (double, single) = (case.error::<f64>(algorithm), case.error::<f32>(algorithm));
            println!("{} by {algorithm:?}: {double:.1e} in f64, {single:.1e} in f32", case.name);
            assert!(double <= 1e-6 && single <= 1e-5, "{} by {algorithm:?}: {double} and {single}", case.name);
        }
        checked += 1;
    }
    assert!(checked > 0, "no case at {} is within scope", folder().display());
}

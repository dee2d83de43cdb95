//! `PyTorch`'s results in float64 for whole objectives: the thin cases in tests/data, and those with real weights in
//! ../shared, if that folder exists.

use std::path::{Path, PathBuf};

use ndarray::Axis;
use serde_json::Value;

use crate::support::{Workshop, arrays, data, levels_apart, relative_error};

#[test]
fn the_notebook_s_loss_gradient_and_features() {
    hold(Path::new(&data("thin-notebook")), Path::new(&data("")));
}

#[test]
fn gatys_s_loss_gradient_and_features_with_average_pooling() {
    hold(Path::new(&data("thin-gatys-avg")), Path::new(&data("")));
}

#[test]
fn twenty_steps_of_adam() {
    hold(Path::new(&data("thin-notebook-adam")), Path::new(&data("")));
}

#[test]
fn cases_with_real_weights() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|folder| folder.join("shared"));
    let Some(shared) = shared.into_iter().find(|folder| folder.join("reference").is_dir()) else {
        println!("skipped: there is no folder ../shared with weights and reference cases");
        return;
    };
    let folders = shared.join("reference").read_dir().unwrap().map(|entry| entry.unwrap().path());
    let mut real: Vec<PathBuf> =
        folders.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("real-")).collect();
    real.sort();
    for case in real {
        hold(&case, &shared.join("weights"));
    }
}

/// Runs the command of a case and compares all expected results.
fn hold(folder: &Path, weights: &Path) {
    let case: Value = serde_json::from_str(&std::fs::read_to_string(folder.join("case.json")).unwrap()).unwrap();
    let expected = arrays(&folder.join("expected.npz"));
    let shop = Workshop::new();
    let file = |name: &str| folder.join(name).display().to_string();
    let image = if case["image"] == "content" { file("content.png") } else { file("image.png") };
    let network = format!(
        "--size 0 --weights {} --pool {}",
        weights.join(case["weights"].as_str().unwrap()).display(),
        case["pool"].as_str().unwrap()
    );
    let objective = format!(
        "--preset {} --content-layers {} --style-layers {} --content-weight {} --style-weight {}",
        case["loss"].as_str().unwrap(),
        layers(&case["content_layers"]),
        layers(&case["style_layers"]),
        case["content_weight"],
        case["style_weight"]
    );

    let names: Vec<&str> = case["features"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    if !names.is_empty() {
        let words = format!("features {image} --layers {} -o features.npz {network}", names.join(","));
        shop.impasto(&words).assert().success();
        let features = shop.arrays("features.npz");
        assert_eq!(features.len(), names.len());
        for name in names {
            let error = relative_error(&features[name], &expected[&format!("features.{name}")]);
            assert!(error <= 1e-4, "{name}: the features are off by {error:.1e} of their largest value");
        }
    }

    let (content, style) = (file("content.png"), file("style.png"));
    let words = format!("loss {image} --content {content} --style {style} -o loss.npz {network} {objective}");
    shop.impasto(&words).assert().success();
    let loss = shop.arrays("loss.npz");
    let losses: Vec<&String> = expected.keys().filter(|name| name.starts_with("loss.")).collect();
    assert!(losses.len() >= 4, "{losses:?}");
    for name in losses {
        let error = relative_error(&loss[name], &expected[name]);
        assert!(error <= 1e-4, "{name}: {} is off by {error:.1e}", loss[name]);
    }
    // Where two values tie in f32 under a maximum, the gradient goes to one or the other, as in PyTorch's own f32.
    let (gradient, error) = (&loss["grad"], relative_error(&loss["grad"], &expected["grad"]));
    let largest = expected["grad"].fold(0.0, |most: f64, value| most.max(value.abs()));
    let off = (gradient - &expected["grad"]).fold_axis(Axis(2), 0.0, |most: &f64, off| most.max(off.abs() / largest));
    let mut off: Vec<f64> = off.into_iter().collect();
    off.sort_by(f64::total_cmp);
    let most = off[off.len() * 99 / 100];
    assert!(most <= 1e-5, "at 99 % of positions the gradient is off by up to {most:.1e} of its largest component");
    assert!(error <= 2e-2, "the gradient is off by {error:.1e} of its largest component");

    let steps = case["adam_steps"].as_u64().unwrap();
    if steps > 0 {
        let words = format!(
            "transfer {content} {style} -o out.png --log log.jsonl --quiet --optimizer adam --steps {steps} --lr {} \
             --init content {network} {objective}",
            case["lr"]
        );
        shop.impasto(&words).assert().success();
        let log = shop.log("log.jsonl");
        let losses = &expected["adam.losses"];
        assert_eq!((log.len(), losses.shape()), (steps as usize, &[steps as usize, 3][..]));
        for (line, expected) in log.iter().zip(losses.outer_iter()) {
            for (name, expected) in ["total", "content", "style"].into_iter().zip(expected) {
                let error = (line[name].as_f64().unwrap() - expected).abs() / expected.abs().max(1e-12);
                assert!(error <= 1e-3, "iteration {}: {name} is off by {error:.1e}", line["iteration"]);
            }
        }
        let adam = image::open(folder.join("adam.png")).unwrap().into_rgb8();
        assert!(levels_apart(&shop.rgb("out.png"), &adam) <= 1);
    }
}

/// `{"relu1_1": 0.9}` as `relu1_1=0.9`.
fn layers(weights: &Value) -> String {
    let named: Vec<String> =
        weights.as_object().unwrap().iter().map(|(layer, weight)| format!("{layer}={weight}")).collect();
    named.join(",")
}

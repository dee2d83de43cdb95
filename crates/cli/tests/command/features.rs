//! `impasto features`.

use crate::support::{Workshop, data};

#[test]
fn arrays_are_named_by_layer_and_shaped_height_width_channels() {
    let shop = Workshop::new();
    let thin = data("vgg19-thin.npz");
    let words = format!("features content.png --layers relu1_1,pool2,conv5_4 -o f.npz --size 0 --weights {thin}");
    shop.impasto(&words).assert().success().stdout("").stderr("");
    let arrays = shop.arrays("f.npz");
    let shapes: Vec<(&str, &[usize])> = arrays.iter().map(|(name, array)| (name.as_str(), array.shape())).collect();
    assert_eq!(shapes, [("conv5_4", &[1, 2, 64][..]), ("pool2", &[6, 8, 16]), ("relu1_1", &[24, 32, 8])]);
    assert!(arrays["relu1_1"].iter().all(|&v| v >= 0.0) && arrays["conv5_4"].iter().any(|&v| v < 0.0));
    assert_eq!(shop.new_files(), ["f.npz"]);
}

#[test]
fn the_size_is_the_longer_side() {
    let shop = Workshop::new();
    let thin = data("vgg19-thin.npz");
    let words = format!("features content.png --layers conv1_1 -o f.npz --size 16 --weights {thin}");
    shop.impasto(&words).assert().success();
    assert_eq!(shop.arrays("f.npz")["conv1_1"].shape(), [12, 16, 8]);
}

#[test]
fn with_replicated_edges_a_flat_picture_has_flat_features() {
    let shop = Workshop::new();
    image::RgbImage::from_pixel(40, 33, image::Rgb([200, 90, 30])).save(shop.path("flat.png")).unwrap();
    // How far the features of each channel are apart, relative to the layer's largest.
    let spread = |words: &str| {
        let thin = data("vgg19-thin.npz");
        let words = format!("features flat.png --layers conv1_1,relu3_4 -o f.npz --size 0 --weights {thin} {words}");
        shop.impasto(&words).assert().success();
        let spreads = shop.arrays("f.npz").into_values().map(|map| {
            let channels = map.axis_iter(ndarray::Axis(2));
            let spread = channels.map(|channel| {
                let (least, most) = channel.iter().fold((f64::MAX, f64::MIN), |(a, b), v| (a.min(*v), b.max(*v)));
                most - least
            });
            spread.fold(0.0, f64::max) / map.iter().fold(0.0, |most: f64, v| most.max(v.abs()))
        });
        spreads.collect::<Vec<_>>()
    };
    assert!(spread("--edges replicate").into_iter().all(|spread| spread < 1e-5));
    assert!(spread("--edges zeros").into_iter().all(|spread| spread > 0.1));
    assert_eq!(spread("--edges zeros"), spread(""), "zeros are the default");
}

#[test]
fn poolings_differ_and_algorithms_agree() {
    let shop = Workshop::new();
    let features = |words: &str| {
        let thin = data("vgg19-thin.npz");
        let words = format!("features content.png --layers pool1,relu3_1 -o f.npz --size 0 --weights {thin} {words}");
        shop.impasto(&words).assert().success();
        shop.arrays("f.npz")
    };
    let (max, avg) = (features("--pool max"), features("--pool avg"));
    assert_eq!(features(""), max, "maximum pooling is the default");
    assert!(max["pool1"].iter().zip(&avg["pool1"]).all(|(max, avg)| *max >= *avg - 1e-6));
    assert_ne!(max["pool1"], avg["pool1"]);
    for algorithm in ["direct", "im2col"] {
        let other = features(&format!("--conv {algorithm}"));
        let error = crate::support::relative_error(&other["relu3_1"], &max["relu3_1"]);
        assert!(error < 2e-5, "{algorithm}: {error:.1e}");
    }
}

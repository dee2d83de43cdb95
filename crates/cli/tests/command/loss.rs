//! `impasto loss`. Its numbers are compared with `PyTorch`'s in `reference`.

use approx::assert_relative_eq;

use crate::support::{Workshop, data};

#[test]
fn terms_have_the_weights_asked_for() {
    let shop = Workshop::new();
    let thin = data("vgg19-thin.npz");
    let words = format!(
        "loss style.png --content content.png --style style.png -o l.npz --size 24 --weights {thin} --content-weight 3 \
         --style-weight 0.5 --tv-weight 0.01 --content-layers relu2_2 --style-layers relu1_1=2,pool1=0.25"
    );
    // The content image has to have the image's size.
    image::imageops::resize(&crate::support::content(), 28, 28, image::imageops::FilterType::Nearest)
        .save(shop.path("content.png"))
        .unwrap();
    shop.impasto(&words).assert().success().stdout("").stderr("");
    let arrays = shop.arrays("l.npz");
    let value = |name: &str| arrays[name].iter().copied().sum::<f64>();
    assert_eq!(
        arrays.keys().collect::<Vec<_>>(),
        ["grad", "loss.content", "loss.style", "loss.style.pool1", "loss.style.relu1_1", "loss.total", "loss.tv"]
    );
    assert_eq!(arrays["grad"].shape(), [24, 24, 3]);
    assert_eq!(arrays["loss.total"].shape(), [0usize; 0]);
    let total = 3.0 * value("loss.content") + 0.5 * value("loss.style") + value("loss.tv");
    assert_relative_eq!(value("loss.total"), total, max_relative = 1e-5);
    // The image is the style image.
    assert!(value("loss.style").abs() < 1e-9 && value("loss.content") > 0.0 && value("loss.tv") > 0.0);
}

#[test]
fn of_its_own_content_an_image_has_none_to_lose() {
    let shop = Workshop::new();
    let thin = data("vgg19-thin.npz");
    for preset in ["balanced", "gatys", "notebook"] {
        let words = format!(
            "loss content.png --content content.png --style style.png -o l.npz --size 0 --weights {thin} --preset {preset}"
        );
        shop.impasto(&words).assert().success();
        let arrays = shop.arrays("l.npz");
        assert_eq!(arrays["loss.content"].sum(), 0.0, "{preset}");
        assert!(arrays["loss.style"].sum() > 0.0, "{preset}");
        let layers = arrays.keys().filter_map(|name| name.strip_prefix("loss.style.")).collect::<Vec<_>>();
        assert_eq!(layers, ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"], "{preset}");
        let sum: f64 = layers.iter().map(|layer| arrays[&format!("loss.style.{layer}")].sum()).sum();
        assert_relative_eq!(arrays["loss.style"].sum(), sum, max_relative = 1e-5);
    }
}

#[test]
fn equal_styles_blended_are_as_one() {
    let shop = Workshop::new();
    let thin = data("vgg19-thin.npz");
    let loss = |styles: &str| {
        let words = format!("loss content.png --content content.png {styles} -o l.npz --size 0 --weights {thin}");
        shop.impasto(&words).assert().success();
        shop.arrays("l.npz")["loss.style"].sum()
    };
    let (one, both) = (loss("--style style.png"), loss("--style style.png --style style.png"));
    assert_relative_eq!(one, both, max_relative = 1e-6);
    assert!(loss("--style style.png --style content.png") < 0.9 * one);
}

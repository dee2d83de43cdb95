//! `impasto transfer --colors`.

use image::RgbImage;
use image::imageops::rotate90;

use crate::support::{Workshop, content, data, fails, levels_apart};

/// The mean of each channel, and the covariances of red with each.
fn statistics(picture: &RgbImage) -> [f64; 6] {
    let count = f64::from(picture.width() * picture.height());
    let mean = |f: &dyn Fn(&image::Rgb<u8>) -> f64| picture.pixels().map(f).sum::<f64>() / count;
    let means = [0, 1, 2].map(|c| mean(&|p| f64::from(p[c])));
    let covariances = [0, 1, 2].map(|c| mean(&|p| (f64::from(p[0]) - means[0]) * (f64::from(p[c]) - means[c])));
    std::array::from_fn(|i| if i < 3 { means[i] } else { covariances[i - 3] })
}

#[test]
fn a_grey_photograph_keeps_its_lack_of_colour() {
    let shop = Workshop::new();
    image::DynamicImage::ImageRgb8(content()).to_luma8().save(shop.path("content.png")).unwrap();
    let colourful = |picture: &RgbImage| picture.pixels().any(|p| p[0].abs_diff(p[2]) > 2);
    let painted = shop.picture("--lr 0.1");
    assert!(colourful(&painted) && shop.picture("--lr 0.1 --colors style") == painted);
    let kept = shop.picture("--lr 0.1 --colors content");
    assert!(!colourful(&kept));
    // Painted all the same: as light as the painting.
    let light = |p: &RgbImage| {
        p.pixels().map(|p| 0.21 * f64::from(p[0]) + 0.72 * f64::from(p[1]) + 0.07 * f64::from(p[2])).collect::<Vec<_>>()
    };
    let apart = light(&kept).iter().zip(light(&painted)).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(apart < 12.0, "{apart}");
    assert!(levels_apart(&kept, &image::open(shop.path("content.png")).unwrap().into_rgb8()) > 5);
}

#[test]
fn a_style_in_the_photograph_s_colours_already_is_matched_by_itself() {
    let shop = Workshop::new();
    let plain = shop.picture("--lr 0.1");
    let matched = shop.picture("--lr 0.1 --colors match");
    assert!(levels_apart(&matched, &plain) > 3);
    assert_eq!(shop.picture("--lr 0.1 --colors match --color-map pca"), matched);
    assert_ne!(shop.picture("--lr 0.1 --colors match --color-map cholesky"), matched);
    rotate90(&content()).save(shop.path("style.png")).unwrap();
    let own = shop.picture("--lr 0.1");
    for map in ["pca", "cholesky"] {
        assert!(levels_apart(&shop.picture(&format!("--lr 0.1 --colors match --color-map {map}")), &own) <= 1, "{map}");
    }
}

#[test]
fn recolouring_needs_no_network_and_takes_over_mean_and_covariance() {
    let shop = Workshop::new();
    // Far from black and white, so that nothing is clipped.
    let pale = |name: &str, slope: [i32; 3]| {
        let picture = RgbImage::from_fn(40, 30, |x, y| {
            let (x, y) = (x as i32 - 20, y as i32 - 15);
            image::Rgb([0, 1, 2].map(|c| (128 + slope[c] * x + (c as i32 - 1) * y + (x * y + 7 * c as i32) % 9) as u8))
        });
        picture.save(shop.path(name)).unwrap();
        picture
    };
    let (content, style) = (pale("content.png", [2, 1, 0]), pale("style.png", [1, -1, 2]));
    for map in ["", "--color-map cholesky"] {
        let words =
            format!("transfer content.png style.png --colors only {map} --size 0 --weights none.npz -o out.png");
        shop.impasto(&format!("{words} --quiet")).assert().success().stdout("").stderr("");
        let (got, expected) = (statistics(&shop.rgb("out.png")), statistics(&style));
        for (got, expected) in got.iter().zip(expected) {
            assert!((got - expected).abs() < 0.5 + 0.01 * expected.abs(), "{got} for {expected}");
        }
        assert!(levels_apart(&shop.rgb("out.png"), &content) > 10);
    }
    let words = "transfer content.png content.png --colors only --size 0 -o out.png --quiet";
    shop.impasto(words).assert().success();
    assert!(levels_apart(&shop.rgb("out.png"), &content) <= 1);
}

#[test]
fn mistakes_are_named() {
    let shop = Workshop::new();
    let thin = data("vgg19-thin.npz");
    for (words, said) in [
        ("--colors red", &["--colors", "style, content, match, only"][..]),
        ("--color-map pca", &["--color-map", "--colors match"]),
        ("--colors content --color-map pca", &["--color-map", "--colors match"]),
        ("--colors match --color-map lab", &["--color-map", "pca, cholesky"]),
    ] {
        fails(&shop, &format!("transfer content.png style.png -o out.png --weights {thin} {words}"), 2, said);
    }
}

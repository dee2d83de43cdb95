//! Where styles go: `--content-mask` and `--style-mask`, transparent pixels; and what makes a style, `--style-loss`.

use image::{Rgb, RgbImage, Rgba, RgbaImage};

use crate::support::{Workshop, content, data, fails, levels_apart, number, style};

/// A mask in two colours, side by side.
fn halves(width: u32, height: u32, left: [u8; 3], right: [u8; 3]) -> RgbImage {
    RgbImage::from_fn(width, height, |x, _| Rgb(if x < width / 2 { left } else { right }))
}

const RED: [u8; 3] = [255, 0, 0];
const BLUE: [u8; 3] = [0, 0, 255];

#[test]
fn one_region_all_over_is_as_none() {
    let shop = Workshop::new();
    RgbImage::from_pixel(5, 3, Rgb(RED)).save(shop.path("c.png")).unwrap();
    RgbImage::from_pixel(7, 9, Rgb([250, 4, 0])).save(shop.path("s.png")).unwrap();
    for loss in ["gram", "moments", "wasserstein", "neighbours", "neighbours-cosine"] {
        let plain = shop.picture(&format!("--style-loss {loss}"));
        let masked = shop.picture(&format!("--style-loss {loss} --content-mask c.png --style-mask s.png"));
        assert_eq!(masked, plain, "{loss}");
    }
}

#[test]
fn each_region_is_painted_after_its_own() {
    let shop = Workshop::new();
    // The style's left half is all that the content's left half sees, wherever the right half goes.
    halves(32, 24, RED, BLUE).save(shop.path("c.png")).unwrap();
    halves(64, 10, RED, BLUE).save(shop.path("s.png")).unwrap();
    let plain = shop.picture("");
    for loss in ["gram", "moments", "wasserstein", "neighbours"] {
        let words = format!("--style-loss {loss} --content-mask c.png --style-mask s.png");
        let masked = shop.picture(&words);
        assert_ne!(masked, plain);
        // The order of colours does not matter, nor the size of a mask.
        halves(320, 24, RED, BLUE).save(shop.path("c2.png")).unwrap();
        let larger = shop.picture(&words.replace("c.png", "c2.png"));
        assert!(levels_apart(&larger, &masked) <= 1);
        shop.transfer(&format!("-o out.png --steps 2 --log log.jsonl --quiet {words}")).assert().success();
        let line = &shop.log("log.jsonl")[1];
        assert!(number(line, "style.relu1_1 #ff0000") > 0.0 && number(line, "style.relu1_1 #0000ff") > 0.0);
    }
    // Two styles, one for each half: exchanged, the picture is exchanged.
    RgbImage::from_pixel(1, 1, Rgb(RED)).save(shop.path("red.png")).unwrap();
    RgbImage::from_pixel(1, 1, Rgb(BLUE)).save(shop.path("blue.png")).unwrap();
    image::imageops::rotate90(&content()).save(shop.path("other.png")).unwrap();
    let thin = data("vgg19-thin.npz");
    for how in ["", "--finish 3", "--style-loss neighbours", "--style-loss neighbours-cosine"] {
        let two = |styles: &str, masks: &str| {
            let words = format!(
                "transfer content.png {styles} --content-mask c.png --style-mask {masks} --weights {thin} {how}"
            );
            shop.impasto(&format!("{words} --size 0 --steps 3 -o out.png --quiet")).assert().success().stderr("");
            shop.rgb("out.png")
        };
        let one_way = two("style.png other.png", "red.png,blue.png");
        assert_eq!(two("other.png style.png", "blue.png,red.png"), one_way, "{how}");
        assert_ne!(two("other.png style.png", "red.png,blue.png"), one_way, "{how}");
    }
}

#[test]
fn transparent_pixels_of_a_style_take_no_part_and_of_a_content_stay() {
    let shop = Workshop::new();
    // A style whose lower half is hidden: whatever is there, the picture is the same.
    let hidden = |colour: [u8; 3]| {
        let picture = RgbaImage::from_fn(28, 56, |x, y| match style().get_pixel_checked(x, y) {
            Some(Rgb([r, g, b])) => Rgba([*r, *g, *b, 255]),
            None => Rgba([colour[0], colour[1], colour[2], 0]),
        });
        picture.save(shop.path("style.png")).unwrap();
        shop.picture("")
    };
    let red = hidden(RED);
    assert!(levels_apart(&hidden([250, 10, 5]), &red) <= 12, "but for what its convolutions see of the edge");
    RgbaImage::from_pixel(28, 28, Rgba([1, 2, 3, 0])).save(shop.path("style.png")).unwrap();
    let rest = format!("--weights {} --size 0 -o out2.png", data("vgg19-thin.npz"));
    fails(&shop, &format!("transfer content.png style.png {rest}"), 1, &["style is completely transparent"]);

    style().save(shop.path("style.png")).unwrap();
    let opaque = shop.picture("--lr 0.1");
    let through = RgbaImage::from_fn(32, 24, |x, y| {
        let Rgb([r, g, b]) = *content().get_pixel(x, y);
        Rgba([r, g, b, if x < 10 { 0 } else { 255 }])
    });
    through.save(shop.path("content.png")).unwrap();
    let painted = shop.picture("--lr 0.1");
    for (x, y, pixel) in painted.enumerate_pixels() {
        if x < 10 {
            assert_eq!(pixel, content().get_pixel(x, y), "({x}, {y}) is kept");
        }
    }
    assert!(levels_apart(&painted, &content()) > 5);
    assert_eq!(shop.picture("--lr 0.1 --paint-transparent"), opaque);
    RgbaImage::from_pixel(32, 24, Rgba([1, 2, 3, 0])).save(shop.path("content.png")).unwrap();
    let words = format!("transfer content.png style.png {rest}");
    fails(&shop, &words, 1, &["content is completely transparent", "--paint-transparent"]);
    shop.impasto(&format!("{words} --paint-transparent --steps 1 --quiet")).assert().success();
}

#[test]
fn every_style_loss_falls_and_makes_another_picture() {
    let shop = Workshop::new();
    let mut pictures = vec![shop.picture("--style-weight 100")];
    assert_eq!(shop.picture("--style-weight 100 --style-loss gram"), pictures[0]);
    for loss in ["moments", "wasserstein"] {
        for preset in ["balanced", "gatys", "notebook"] {
            let words =
                format!("-o out.png --optimizer lbfgs --steps 25 --scales 1 --style-loss {loss} --preset {preset}");
            shop.transfer(&format!("{words} --log log.jsonl --quiet")).assert().success();
            let log = shop.log("log.jsonl");
            let (first, last) = (number(&log[0], "total"), number(&log[24], "total"));
            assert!(last < 0.9 * first, "{loss} {preset}: from {first} to {last}");
        }
        let picture = shop.picture(&format!("--style-weight 100 --style-loss {loss}"));
        assert!(!pictures.contains(&picture), "{loss}");
        assert_eq!(shop.picture(&format!("--style-weight 100 --style-loss {loss} --threads 1")), picture, "{loss}");
        pictures.push(picture);
    }
    // Neighbours are compared by sizes of their own, which the formulas of the other presets outweigh.
    let free = "--style-weight 100 --style-loss neighbours";
    for words in [free, &format!("{free}-cosine"), "--preset nnst"] {
        let picture = shop.picture(words);
        assert!(!pictures.contains(&picture), "{words}");
        assert_eq!(shop.picture(&format!("{words} --threads 1")), picture, "{words}");
        pictures.push(picture);
        shop.transfer(&format!("-o out.png --steps 25 --scales 1 --log log.jsonl --quiet {words}")).assert().success();
        let log = shop.log("log.jsonl");
        let (first, last) = (number(&log[0], "total"), number(&log[24], "total"));
        assert!(last < 0.9 * first, "{words}: from {first} to {last}");
    }
}

#[test]
fn mistakes_are_named() {
    let shop = Workshop::new();
    halves(32, 24, RED, BLUE).save(shop.path("c.png")).unwrap();
    halves(32, 24, RED, [0, 255, 0]).save(shop.path("s.png")).unwrap();
    RgbImage::from_pixel(4, 4, Rgb(RED)).save(shop.path("one.png")).unwrap();
    for (words, code, said) in [
        ("--content-mask c.png", 2, &["--style-mask"][..]),
        ("--style-mask c.png", 2, &["--content-mask"]),
        ("--content-mask c.png --style-mask c.png,s.png", 1, &["2 masks", "1 styles", "--style-mask"]),
        ("--content-mask c.png --style-mask one.png", 1, &["no style's mask has: #0000ff"]),
        ("--content-mask one.png --style-mask s.png", 1, &["style 1", "#00ff00", "--content-mask"]),
        ("--content-mask c.png --style-mask none.png", 1, &["none.png"]),
        ("--style-loss sliced", 2, &["--style-loss", "gram, moments, wasserstein, neighbours"]),
    ] {
        let rest = format!("--weights {} --size 0 -o out.png", data("vgg19-thin.npz"));
        fails(&shop, &format!("transfer content.png style.png {words} {rest}"), code, said);
    }
    // A region of a few pixels, of which the deepest layer sees nothing.
    let corner = RgbImage::from_fn(33, 24, |x, _| Rgb(if x == 32 { RED } else { BLUE }));
    corner.save(shop.path("corner.png")).unwrap();
    image::imageops::resize(&content(), 33, 24, image::imageops::FilterType::Nearest)
        .save(shop.path("content.png"))
        .unwrap();
    let rest = format!("--weights {} --size 0 -o out.png", data("vgg19-thin.npz"));
    let words = format!("transfer content.png style.png --content-mask corner.png --style-mask c.png {rest}");
    fails(&shop, &words, 1, &["the region #ff0000 of the picture is empty at relu2_1", "--size"]);
}

//! `impasto transfer` with several styles.

use predicates::str::contains;

use crate::support::{Workshop, content, data, fails, levels_apart, style};

/// The picture that `impasto transfer content.png STYLES…` makes.
fn blended(shop: &Workshop, words: &str) -> image::RgbImage {
    let thin = data("vgg19-thin.npz");
    let words = format!("transfer content.png {words} --weights {thin} -o out.png --size 0 --steps 3 --quiet");
    shop.impasto(&words).assert().success().stderr("");
    shop.rgb("out.png")
}

#[test]
fn equal_styles_blended_are_one_and_different_ones_are_neither() {
    let shop = Workshop::new();
    std::fs::copy(shop.path("style.png"), shop.path("same.png")).unwrap();
    image::imageops::rotate90(&content()).save(shop.path("other.png")).unwrap();
    for preset in ["balanced", "gatys", "notebook"] {
        let one = blended(&shop, &format!("style.png --preset {preset}"));
        for blend in ["", "--blend 3,1", "--blend 0.1,0.2"] {
            assert_eq!(
                blended(&shop, &format!("style.png same.png --preset {preset} {blend}")),
                one,
                "{preset} {blend}"
            );
        }
        let both = blended(&shop, &format!("style.png other.png --preset {preset}"));
        let other = blended(&shop, &format!("other.png --preset {preset}"));
        assert!(both != one && both != other);
        assert_eq!(blended(&shop, &format!("style.png other.png --preset {preset} --blend 2,2")), both);
        assert_ne!(blended(&shop, &format!("style.png other.png --preset {preset} --blend 3,1")), both);
        let nearly = blended(&shop, &format!("style.png other.png --preset {preset} --blend 1e-9,2"));
        assert!(levels_apart(&nearly, &other) <= 1);
    }
}

#[test]
fn a_folder_is_all_pictures_in_it() {
    let shop = Workshop::new();
    std::fs::create_dir_all(shop.path("folder/inner")).unwrap();
    style().save(shop.path("folder/b.PNG")).unwrap();
    image::imageops::rotate90(&content()).save(shop.path("folder/a.bmp")).unwrap();
    std::fs::write(shop.path("folder/notes.txt"), "where they are from").unwrap();
    std::fs::write(shop.path("folder/.hidden.png"), "").unwrap();
    let folder = blended(&shop, "folder");
    assert_eq!(folder, blended(&shop, "folder/a.bmp folder/b.PNG"));
    assert_eq!(blended(&shop, "folder style.png --blend 1,1"), blended(&shop, "folder/a.bmp style.png --blend 1,3"));
    let thin = data("vgg19-thin.npz");
    let words = format!("transfer content.png folder --weights {thin} -o out.png --size 0 --steps 1 --verbose");
    let said = contains("note: skipped in folder, not pictures by their names: notes.txt\n");
    shop.impasto(&words).assert().success().stderr(said);
}

#[test]
fn mistakes_are_named() {
    let shop = Workshop::new();
    std::fs::create_dir(shop.path("empty")).unwrap();
    let thin = data("vgg19-thin.npz");
    for (words, code, said) in [
        ("style.png --blend 1,2", 2, &["--blend has 2 numbers", "there is 1 STYLE"][..]),
        ("style.png content.png --blend 1", 2, &["--blend has 1 number,", "there are 2 STYLEs"]),
        ("style.png content.png --blend 1,-1", 2, &["--blend", "above 0"]),
        ("style.png content.png --blend 0,1", 2, &["--blend", "above 0"]),
        ("empty", 1, &["the folder empty", ".png"]),
        ("style.png none.png", 1, &["none.png"]),
        ("", 2, &["<STYLE>"]),
    ] {
        fails(&shop, &format!("transfer content.png {words} --weights {thin} -o out.png --size 0"), code, said);
    }
    // A picture in the folder of styles is no place for the result.
    std::fs::create_dir(shop.path("styles")).unwrap();
    style().save(shop.path("styles/one.png")).unwrap();
    let words = format!("transfer content.png styles --weights {thin} -o styles/one.png --size 0");
    shop.impasto(&words).assert().failure().stderr(contains("styles/one.png"));
    assert_eq!(shop.rgb("styles/one.png"), style());
}

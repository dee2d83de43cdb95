//! The same bits on any number of threads.

use crate::support::Workshop;

const THREADS: [u8; 3] = [1, 2, 5];

#[test]
fn a_transfer_with_the_thin_network() {
    let shop = Workshop::new();
    for optimizer in [
        "adam",
        "lbfgs",
        "pyramid-adam",
        "lbfgs --scales 24,32 --finish 5",
        "lbfgs --scales 24,32 --style-loss neighbours",
        "adam --scales 24,32 --style-loss neighbours-cosine",
        "pyramid-adam --scales 24,32 --preset nnst --finish 5",
    ] {
        let results = THREADS.map(|threads| {
            let words =
                format!("-o out.png --steps 12 --optimizer {optimizer} --log log.jsonl --quiet --threads {threads}");
            shop.transfer(&words).assert().success();
            let losses: Vec<String> = shop.log("log.jsonl").iter().map(|line| line["total"].to_string()).collect();
            (shop.rgb("out.png"), losses)
        });
        assert!(results.iter().all(|result| *result == results[0]), "{optimizer}");
    }
}

/// At full width, where kernels split their work.
#[test]
fn loss_and_gradient_at_full_width() {
    let shop = Workshop::new();
    let words = "loss style.png --content style.png --style content.png -o l.npz --size 96 --weights random --tv-weight 1 \
                 --content-layers relu3_1 --style-layers relu1_1,relu2_2,relu3_1";
    for algorithm in ["auto", "im2col"] {
        let results = THREADS.map(|threads| {
            shop.impasto(&format!("{words} --conv {algorithm} --threads {threads}")).assert().success();
            shop.arrays("l.npz")
        });
        assert!(results[0]["loss.style"].sum() > 0.0);
        assert!(results.iter().all(|result| *result == results[0]), "{algorithm}");
    }
}

//! Chapter 11 of the book, "From coarse to fine". Run it:
//! `cargo run --release --example 11_coarse_to_fine -- target/book photo.jpg painting.jpg`

mod book;

use std::error::Error;
use std::ops::ControlFlow;

use book::{Book, wrong};
use impasto::jobs::Colours;
use impasto::picture::ColourMap;
use impasto::recipe::{Finish, Scales, Steps, StyleLoss};
use impasto::{Picture, Preset, Progress, Transfer};

/// Paints a job after `change`; prints its scales and its last loss.
fn paint(book: &Book, name: &str, change: impl Fn(&mut Transfer<'_>)) -> Result<(Picture, String), Box<dyn Error>> {
    let side = book.either(192, 48);
    let (photo, painting) = (book.photo(side)?, book.painting(side)?);
    let mut job = Transfer::new(&photo, &painting, &book.network, Preset::Balanced);
    job.recipe.steps = book.either(job.recipe.steps.clone(), Steps::last(6));
    change(&mut job);
    let mut run = job.run()?;
    let scales: Vec<String> = run.scales().iter().map(|scale| format!("{}×{}", scale.steps, scale.side)).collect();
    let mut last = 0.0;
    run.finish(&mut |progress: &Progress| {
        last = progress.total;
        ControlFlow::Continue(())
    })?;
    println!("{name} = {}, loss {last:.1e}", scales.join(" then "));
    Ok((run.finished(), name.into()))
}

fn main() -> Result<(), Box<dyn Error>> {
    let book = Book::open()?;
    // ANCHOR: scales
    let sides = book.either(vec![96, 192], vec![24, 48]);
    let rows = vec![
        paint(&book, "one scale", |job| {
            (job.recipe.scales, job.recipe.finish) = (Scales::Count(1), None);
        })?,
        paint(&book, "two scales", |job| {
            (job.recipe.scales, job.recipe.finish) = (Scales::Sides(sides.clone()), None);
        })?,
        paint(&book, "and the finish", |job| {
            job.recipe.scales = Scales::Sides(sides.clone());
            job.recipe.finish = Some(book.either(Finish::default(), Finish::of(2)));
        })?,
    ];
    book.sheet("11-scales.jpg", vec![rows])?;
    // ANCHOR_END: scales
    // ANCHOR: strength
    let strength = |strength: f64| {
        paint(&book, &format!("strength {strength}"), |job| job.recipe = job.recipe.clone().with_strength(strength))
    };
    book.sheet("11-strength.jpg", vec![vec![strength(0.25)?, strength(0.5)?, strength(0.75)?]])?;
    // ANCHOR_END: strength
    // ANCHOR: colours
    let colours = |name, colours| paint(&book, name, |job| job.colours = colours);
    let after = colours("after the transfer", Colours::Content)?;
    let before = colours("before it", Colours::Match(ColourMap::Pca))?;
    book.sheet("11-colours.jpg", vec![vec![after, before]])?;
    // ANCHOR_END: colours
    // ANCHOR: distances
    let distance = |name: &str, loss: StyleLoss| {
        paint(&book, name, |job| {
            job.recipe = job.recipe.clone().with_style_loss(loss);
            job.recipe.finish = None;
        })
    };
    let rows = vec![
        distance("moments", StyleLoss::Moments)?,
        distance("wasserstein", StyleLoss::Wasserstein)?,
        distance("neighbours", StyleLoss::Neighbours)?,
    ];
    // ANCHOR_END: distances
    book.sheet("11-distances.jpg", vec![rows])?;

    wrong::centring();
    Ok(())
}

//! A term of your own in a style transfer.
//!
//! Run it with `cargo run --release --example term_of_your_own -- photo.jpg painting.jpg out.png`.
//!
//! A [`Term`] is a scalar function of one observation: the pixels, or the features of a layer. Its gradient comes from
//! the tape. Everything else works as before: scales, masks, the finishing stage, and the forecast, which estimates the
//! term's cost from its place.

use std::ops::ControlFlow;

use impasto::jobs::OwnTerm;
use impasto::objective::{Place, Seen, Term};
use impasto::tape::{Real, Var};
use impasto::{Error, Picture, Preset, Progress, Transfer, Vgg19, Weights, ops};

/// −Σf²/M over the features f of a layer at M positions, which amplifies the layer's responses, as in `DeepDream`.
struct Dream {
    place: Place,
}

impl<T: Real> Term<T> for Dream {
    fn name(&self) -> String {
        "dream".into()
    }

    fn place(&self) -> Place {
        self.place
    }

    fn score<'t>(&self, seen: &Seen<'t, T>, weight: f64) -> Var<'t, T> {
        ops::sum(&ops::square(&seen.value)) * (-weight / seen.positions)
    }
}

fn main() -> Result<(), Error> {
    let paths: Vec<String> = std::env::args().skip(1).collect();
    let [content, style, out] = &paths[..] else {
        println!("usage: cargo run --release --example term_of_your_own -- CONTENT STYLE OUT");
        return Ok(());
    };
    let (content, style) = (Picture::open(content)?.fitted(256), Picture::open(style)?.fitted(256));
    let network = Vgg19::new(Weights::find()?);

    let place = Place::Features("relu3_3".parse().expect("a layer of VGG19"));
    // Called once for each scale, with the size of the picture there.
    let make = move |_: &Vgg19<f32>, _: [usize; 2]| Ok(Box::new(Dream { place }) as Box<dyn Term<f32>>);
    let mut job = Transfer::new(&content, &style, &network, Preset::Balanced);
    job.own_terms.push(OwnTerm { name: "dream", weight: 1e-4, place, make: &make });

    let mut run = job.run()?;
    run.finish(&mut |progress: &Progress| {
        let groups: Vec<String> =
            progress.groups.iter().map(|group| format!("{} {:.3}", group.name, group.value)).collect();
        println!("{} of {}: {}", progress.iteration, progress.iterations, groups.join(", "));
        ControlFlow::Continue(())
    })?;
    run.finished().save(out)?;
    Ok(())
}

//! The objective of the finishing stage: see [`Finish`].

use std::collections::BTreeMap;

use ndarray::Array3;

use super::style_transfer::style_transfer_by;
use super::{Neighbours, Objective, Region, RegionError, Targets, Term};
use crate::recipe::{Finish, Recipe, StyleLoss};
use crate::tape::{Real, Tape, Value};
use crate::vgg::{Execution, Layer, Request, Vgg19};

/// The objective of a recipe's finishing stage: the groups `content`, `style` and `tv` of
/// [`style_transfer`](super::style_transfer), and `neighbours`. `seed` determines the grids.
pub(crate) fn finishing<T: Real>(
    (recipe, finish): (&Recipe, &Finish),
    (execution, network): (&Execution, &Vgg19<T>),
    content: Array3<T>,
    styles: Vec<(Array3<T>, f64)>,
    regions: &[Region],
    targets: &Targets<T>,
    seed: u64,
) -> Result<Objective<T>, RegionError> {
    let mut seen: BTreeMap<Layer, Vec<(Value<T>, f64)>> = BTreeMap::new();
    let request = Request::new(finish.layers.layers(), []);
    for (style, share) in &styles {
        let tape = Tape::new();
        let image = tape.constant(style.clone());
        for (layer, features) in execution.observe(network, &image, &request)?.features {
            seen.entry(layer).or_default().push((features.value().clone(), *share));
        }
    }
    let mut neighbours: Vec<(f64, Box<dyn Term<T>>)> = Vec::new();
    for (layer, weight) in finish.layers.iter() {
        // Only some rows of the features are kept.
        let styles = seen.remove(&layer).expect("as asked");
        neighbours.push((weight, Box::new(Neighbours::new(layer, &styles, regions, finish.grid, seed)?)));
    }
    let tethers = Recipe {
        content_weight: finish.content_weight,
        style_layers: finish.style_layers.clone(),
        style_loss: match recipe.style_loss {
            // Neighbours are matched anew in each iteration.
            StyleLoss::Neighbours | StyleLoss::NeighboursCosine => StyleLoss::Gram,
            other => other,
        },
        style_weight: finish.style_weight,
        // The weights are those of the finish's only scale.
        reference_side: None,
        ..recipe.clone()
    };
    let tethers = style_transfer_by(&tethers, (execution, network), (content, None), styles, regions, targets)?;
    Ok(tethers.group("neighbours", 1.0, neighbours))
}

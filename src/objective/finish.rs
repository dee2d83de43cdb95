//! The objective of the finishing stage: see [`Finish`].

use std::collections::BTreeMap;

use ndarray::{Array2, Array3};

use super::neighbours::offer;
use super::style_transfer::style_transfer_by;
use super::{Neighbours, Objective, Region, RegionError, Targets, Term};
use crate::recipe::{Finish, Recipe, StyleLoss};
use crate::tape::{Real, Tape};
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
    let mut offers: BTreeMap<Layer, Vec<Vec<Array2<T>>>> = BTreeMap::new();
    let request = Request::new(finish.layers.layers(), []);
    let shares: Vec<f64> = styles.iter().map(|(_, share)| *share).collect();
    for (index, (style, _)) in styles.iter().enumerate() {
        let tape = Tape::new();
        let image = tape.constant(style.clone());
        // Of each style's features only some rows are kept.
        for (layer, features) in execution.observe(network, &image, &request)?.features {
            let of_layer = offers.entry(layer).or_insert_with(|| vec![Vec::new(); regions.len()]);
            for (region, of_region) in regions.iter().zip(of_layer) {
                of_region.extend(offer(region, index, layer, finish.grid, &shares, features.value())?);
            }
        }
    }
    let mut neighbours: Vec<(f64, Box<dyn Term<T>>)> = Vec::new();
    for (layer, weight) in finish.layers.iter() {
        let offers = offers.remove(&layer).expect("as asked, each layer once");
        neighbours.push((weight, Box::new(Neighbours::new(layer, &offers, regions, finish.grid, seed)?)));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objective::testing::{image, network};
    use crate::recipe::{Grid, LayerWeights, Preset};

    fn layers(text: &str) -> LayerWeights {
        text.parse().unwrap()
    }

    fn finish() -> Finish {
        Finish {
            layers: layers("relu1_1=2,relu2_1=0.5"),
            grid: Grid::of(64),
            content_weight: 3.0,
            style_layers: layers("relu1_2=0.25"),
            style_weight: 7.0,
            ..Finish::of(4)
        }
    }

    fn made(style_loss: StyleLoss, finish: &Finish, styles: &[(Array3<f64>, f64)]) -> Objective<f64> {
        let recipe = Recipe { content_layers: layers("relu3_1"), style_loss, ..Preset::Balanced.recipe(true) };
        let (network, whole, none) = (network(), [Region::whole(styles.len())], Targets::default());
        let seen_by = (&Execution::default(), &network);
        finishing((&recipe, finish), seen_by, image(12, 16, 1), styles.to_vec(), &whole, &none, 1).unwrap()
    }

    #[test]
    fn terms_and_weights_are_those_of_the_finish() {
        let losses = <StyleLoss as strum::VariantArray>::VARIANTS;
        assert!(losses.len() >= 5);
        for &loss in losses {
            let objective = made(loss, &finish(), &[(image(9, 14, 2), 1.0)]);
            let named =
                |terms: &[(&str, f64)]| terms.iter().map(|(name, w)| ((*name).to_owned(), *w)).collect::<Vec<_>>();
            let expected = [
                ("content", 3.0, named(&[("relu3_1", 1.0)])),
                ("style", 7.0, named(&[("relu1_2", 0.25)])),
                ("tv", 1.0, named(&[])),
                ("neighbours", 1.0, named(&[("relu1_1", 2.0), ("relu2_1", 0.5)])),
            ];
            assert_eq!(objective.weights().collect::<Vec<_>>(), expected, "{loss}");
        }
    }

    #[test]
    fn a_style_offers_its_share() {
        let neighbours = |styles: &[(Array3<f64>, f64)]| {
            let (network, tape) = (network(), Tape::new());
            let x = tape.constant(image(12, 16, 4));
            made(StyleLoss::Gram, &finish(), styles).evaluate(&network, &x, &x).unwrap().groups[3].value
        };
        let (one, other) = (image(9, 14, 2), image(11, 10, 3));
        let by = |shares: [f64; 2]| neighbours(&[(one.clone(), shares[0]), (other.clone(), shares[1])]);
        assert_eq!(by([1.0 - 1e-9, 1e-9]), neighbours(&[(one.clone(), 1.0)]), "next to nothing of the other");
        assert!(by([0.5, 0.5]) < by([1.0 - 1e-9, 1e-9]), "more to choose from");
    }
}

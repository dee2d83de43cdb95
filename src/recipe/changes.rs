//! What options change in the objective of a preset's recipe.

use super::{LayerWeights, Preset, Recipe, StyleLoss};

/// Changes to the objective of a preset's recipe; `None` keeps the preset's setting.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// How freely to paint, from 0 to 1; 0.5 is the preset's own. See [`Recipe::with_strength`].
    pub strength: Option<f64>,
    /// The style distance; see [`Recipe::with_style_loss`].
    pub style_loss: Option<StyleLoss>,
    /// Content layers with the weights of their terms.
    pub content_layers: Option<LayerWeights>,
    /// Style layers with the weights of their terms.
    pub style_layers: Option<LayerWeights>,
    /// α, the weight of the content terms. It applies at every size.
    pub content_weight: Option<f64>,
    /// β, the weight of the style terms. It applies at every size, and takes the place of what the strength makes of it.
    pub style_weight: Option<f64>,
    /// The weight of the total variation.
    pub tv_weight: Option<f64>,
}

impl Preset {
    /// The [recipe](Self::recipe) for a trained or a random network, with changes.
    pub fn changed(self, trained: bool, changes: &Changes) -> Recipe {
        let preset = self.recipe(trained).with_strength(changes.strength.unwrap_or(0.5));
        let style_loss = changes.style_loss.unwrap_or(preset.style_loss);
        let preset = preset.with_style_loss(style_loss);
        Recipe {
            content_layers: changes.content_layers.clone().unwrap_or(preset.content_layers),
            style_layers: changes.style_layers.clone().unwrap_or(preset.style_layers),
            content_weight: changes.content_weight.unwrap_or(preset.content_weight),
            style_weight: changes.style_weight.unwrap_or(preset.style_weight),
            // Do not scale a given weight by the size.
            reference_side: preset
                .reference_side
                .filter(|_| changes.style_weight.is_none() && changes.content_weight.is_none()),
            tv_weight: changes.tv_weight.unwrap_or(preset.tv_weight),
            ..preset
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_given_weight_is_kept_at_every_strength_and_size() {
        let preset = Preset::Balanced.recipe(true);
        assert_eq!(Preset::Balanced.changed(true, &Changes::default()), preset);
        let changes = Changes { strength: Some(1.0), style_weight: Some(7.0), ..Changes::default() };
        let changed = Preset::Balanced.changed(true, &changes);
        assert_eq!((changed.style_weight, changed.reference_side), (7.0, None));
        assert!(preset.reference_side.is_some() && changed.content_layers == preset.content_layers);
    }
}

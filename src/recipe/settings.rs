//! A recipe as option values.

use super::{Rate, Recipe};
use crate::optim::Method;

impl Recipe {
    /// The recipe's settings by option name, for the record of how a picture was made.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let finish = match &self.finish {
            None => "0".into(),
            Some(finish) if finish.largest.is_some() => "auto".into(),
            Some(finish) => finish.steps.to_string(),
        };
        let mut settings = vec![
            ("content-layers", self.content_layers.to_string()),
            ("style-layers", self.style_layers.to_string()),
            ("content-weight", self.content_weight.to_string()),
            ("style-weight", self.style_weight.to_string()),
            ("style-loss", self.style_loss.to_string()),
            ("tv-weight", self.tv_weight.to_string()),
            ("finish", finish),
            ("optimizer", self.method.to_string()),
            ("pool", self.pooling.to_string()),
            ("edges", self.edges.to_string()),
        ];
        if self.method != Method::Lbfgs {
            settings.push((
                "lr",
                match self.rate {
                    Rate::OfSpread(share) => format!("{share} of the spread of natural colours"),
                    Rate::OfInput(rate) => rate.to_string(),
                },
            ));
        }
        settings
    }
}

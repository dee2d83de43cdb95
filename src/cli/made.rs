//! What a picture was made from, noted in it.

use impasto::picture::Provenance;
use impasto::vgg::WeightSource;

use super::error::Error;
use super::record::hash;
use super::settings::Settings;
use super::transfer;

/// Notes what a picture depends on beside this version of impasto: settings, the bytes of all inputs, and the weights.
pub(super) fn made_from(
    transfer: &transfer::Arguments,
    settings: &Settings,
    made: &mut Provenance,
) -> Result<(), Error> {
    let inputs = transfer.inputs()?.into_iter().map(|path| hash("open the picture", &path));
    made.settings.clone_from(settings);
    made.settings.insert("inputs".into(), inputs.collect::<Result<Vec<_>, _>>()?.into());
    made.weights = Some(match transfer.network_arguments().find(true)?.source {
        WeightSource::File(path) => hash("open the weights", &path)?,
        random @ WeightSource::Random { .. } => random.to_string(),
    });
    Ok(())
}

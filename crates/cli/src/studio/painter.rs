//! The command as the studio's painter: its options, forecasts and runs are those of `impasto transfer`.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use impasto::picture::Dimensions;
use impasto::run::{Run, Speed, Work};
use impasto::vgg::{FoundWeights, Precision};
use impasto_studio::{Error as Refusal, Paint, Painter, Painting, Pictures, PlannedPicture, Prepared, Settings, Start};
use serde_json::Value;

use super::options::{self, PICTURES};
use crate::arguments::Networks;
use crate::error::Error;
use crate::interrupt;
use crate::job::JobCommand;
use crate::memory::dimensions;
use crate::plan::as_json;
use crate::record::Record;
use crate::settings;
use crate::transfer::{self, Ready, Sizes};
use crate::weights::fetch::{FetchError, Published, fetch};

/// `impasto transfer`, with the network that was loaded last.
#[derive(Default)]
pub(super) struct CommandPainter {
    networks: Networks,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Other(error.into_message())
    }
}

impl Painter for CommandPainter {
    fn options(&self) -> Value {
        options::described()
    }

    fn checked(&self, given: &Settings) -> Result<Settings, Refusal> {
        Ok(options::checked(given)?)
    }

    fn settings_of(&self, words: &[String]) -> Result<Settings, Refusal> {
        Ok(options::of_picture(words)?)
    }

    fn words(&self, settings: &Settings) -> Result<Vec<String>, Refusal> {
        Ok(settings::words(settings)?)
    }

    fn check(&self, words: &[String]) -> Result<(), Refusal> {
        Ok(settings::parse(words)?.check()?)
    }

    fn forecast(
        &self,
        settings: &Settings,
        pictures: Pictures,
        speed: &mut (dyn FnMut(&Work) -> Speed + Send),
    ) -> Result<Value, Refusal> {
        Ok(self.estimate(settings, pictures, speed)?)
    }

    fn load(&self) -> Result<(), Refusal> {
        Ok(settings::parse(PICTURES)?.load(&self.networks)?)
    }

    fn prepare(&self, words: Vec<String>, settings: Settings) -> Result<Prepared<'_>, Refusal> {
        Ok(self.prepared(words, settings)?)
    }

    fn fetch_weights(&self, watch: &mut dyn FnMut(&str, u64, Option<u64>) -> ControlFlow<()>) -> Result<(), Refusal> {
        let other = |why: String| Refusal::Other(why);
        let path = FoundWeights::in_cache_folder()
            .ok_or_else(|| other("this system has no cache folder to keep weights in".into()))?;
        let interrupted = interrupt::watch();
        let fetched = fetch(Published::Vgg, &[], &mut |fetching| {
            watch(fetching.source, fetching.bytes, fetching.total)?;
            if interrupted.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        let fetched = fetched.map_err(|why| match why {
            FetchError::Interrupted => other("the studio was ended".into()),
            why => other(why.to_string()),
        })?;
        let cannot = |why: std::io::Error| other(format!("the weights cannot be written to {}: {why}", path.display()));
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(cannot)?;
        }
        fetched.weights.save(&path, Precision::Half).map_err(cannot)
    }
}

impl CommandPainter {
    fn estimate(
        &self,
        given: &Settings,
        pictures: Pictures,
        speed: &mut (dyn FnMut(&Work) -> Speed + Send),
    ) -> Result<Value, Error> {
        let settings = options::checked(given)?;
        let styles = (1..=pictures.styles.len()).map(|number| format!("style-{number}.png"));
        let names = std::iter::once("content.png".to_owned()).chain(styles);
        let output = ["-o", "picture.png"].map(String::from);
        let words: Vec<String> = names.chain(output).chain(settings::words(&settings)?).collect();
        let transfer = settings::parse(&words)?;
        transfer.check()?;
        let memory = transfer.common().memory_budget();
        let styles = pictures.styles.iter().map(size).collect::<Result<_, _>>()?;
        let sizes = Sizes { content: size(&pictures.content)?, styles };
        transfer.common().network.in_threads(|| {
            let (forecast, work) = transfer.forecast_of(memory, &self.networks, sizes)?;
            Ok(as_json(&forecast, memory, speed(&work)))
        })?
    }

    fn prepared(&self, words: Vec<String>, settings: Settings) -> Result<Prepared<'_>, Error> {
        let transfer = settings::parse(&words)?;
        let inputs = transfer.inputs()?;
        let weights = transfer.common().network.find(true)?.source;
        let mut made = Record::of_transfer(words, settings, &inputs, &weights)?;
        let mut saving = transfer.common().run.save_options();
        let inputs: Vec<&Path> = inputs.iter().map(PathBuf::as_path).collect();
        saving.check(transfer.common().output(), [1, 1], &inputs)?;
        let painting = match transfer.recoloured()? {
            Some(picture) => Painting::Finished(picture),
            None => {
                let ready = transfer.ready(&self.networks)?;
                Painting::Ready(Box::new(ReadyJob { transfer, ready }))
            }
        };
        // The weights were hashed meanwhile.
        let made = made.provenance()?;
        saving.provenance = Some(made.clone());
        Ok(Prepared { made, saving, painting })
    }
}

fn size(picture: &PlannedPicture) -> Result<Dimensions, Error> {
    match picture {
        PlannedPicture::File(path) => dimensions(path),
        PlannedPicture::Size(size) => Ok(*size),
    }
}

/// A job that has read everything it needs.
struct ReadyJob {
    transfer: transfer::Arguments,
    ready: Ready,
}

impl Paint for ReadyJob {
    fn run(
        self: Box<Self>,
        start: Start,
        work: &mut (dyn FnMut(Run<'_>) -> Result<(), Refusal> + Send),
    ) -> Result<(), Refusal> {
        let Self { transfer, mut ready } = *self;
        if start.picture.is_some() || start.side > 0 {
            ready.go_on(start.picture, start.side)?;
        }
        transfer.common().network.in_threads(|| {
            let mut run = ready.run()?;
            transfer.common().run.finish().apply(&mut run);
            work(run)
        })?
    }
}

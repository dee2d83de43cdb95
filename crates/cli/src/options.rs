//! Every option of the commands that run a job, once, and what it affects. What a picture's provenance holds, what a
//! continued run must have the same, what the pictures of a batch share, and what the studio offers follow from it.

/// What an option affects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Affects {
    /// The pixels.
    Picture,
    /// How the pixels are written: the format, and what is written beside them.
    File,
    /// Where things go.
    Place,
    /// How fast it is, and how much memory it takes.
    Machine,
    /// What is said and shown.
    Talk,
}

/// For which commands an option holds beyond its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// One picture: it names a file.
    One,
    /// One picture's checkpoint; whether a value follows.
    Checkpoint {
        /// Whether it takes a value.
        value: bool,
    },
    /// All pictures of a batch.
    Batch,
    /// Those, and the jobs of the studio.
    Studio,
}

/// One option.
pub(super) struct Row {
    /// Its long name.
    pub(super) name: &'static str,
    /// What it affects.
    pub(super) affects: Affects,
    /// For which commands it holds.
    pub(super) scope: Scope,
    /// What the studio's page calls it; `None` for its name.
    #[cfg_attr(not(feature = "studio"), allow(dead_code))]
    label: Option<&'static str>,
}

const fn row(name: &'static str, affects: Affects, scope: Scope) -> Row {
    Row { name, affects, scope, label: None }
}

const fn labelled(name: &'static str, affects: Affects, scope: Scope, label: &'static str) -> Row {
    Row { name, affects, scope, label: Some(label) }
}

/// The options of `transfer`, `texture` and `invert`.
const ROWS: [Row; 62] = {
    use Affects::{File, Machine, Picture, Place, Talk};
    use Scope::{Batch, Checkpoint, One, Studio};
    [
        row("output", Place, One),
        row("size", Picture, Studio),
        row("style-size", Picture, Studio),
        row("scales", Picture, Studio),
        row("blend", Picture, Studio),
        row("colors", Picture, Studio),
        labelled("color-map", Picture, Studio, "Colour mapping"),
        row("content-mask", Picture, Batch),
        row("style-mask", Picture, Batch),
        row("paint-transparent", Picture, Studio),
        labelled("init", Picture, Studio, "Start from"),
        // Of textures and inversions.
        row("example-size", Picture, Batch),
        row("seamless", Picture, Batch),
        row("no-histogram", Picture, Batch),
        row("layers", Picture, Batch),
        row("up-to", Picture, Batch),
        row("layer", Picture, Batch),
        row("repeats", Picture, Batch),
        row("jitter", Picture, Batch),
        row("channels", Picture, Batch),
        row("crop", Picture, Batch),
        row("alpha", Picture, Batch),
        row("beta", Picture, Batch),
        row("lambda-alpha", Picture, Batch),
        row("lambda-tv", Picture, Batch),
        // Of every run.
        labelled("steps", Picture, Studio, "Iterations"),
        row("optimizer", Picture, Studio),
        labelled("lr", Picture, Studio, "Learning rate"),
        labelled("clamp", Picture, Studio, "Keep pixels in range"),
        labelled("no-clamp", Picture, Studio, "Let pixels leave the range"),
        row("tolerance", Picture, Studio),
        labelled("average", Picture, Studio, "Average the last pictures"),
        labelled("seed", Picture, Studio, "Random seed"),
        row("save-every", Place, Batch),
        row("log", Place, One),
        row("preview", Talk, Batch),
        row("quiet", Talk, Batch),
        row("verbose", Talk, Batch),
        row("format", File, Batch),
        labelled("depth", File, Studio, "Bits per colour"),
        labelled("srgb", File, Studio, "Write sRGB"),
        labelled("no-metadata", File, Studio, "Leave out metadata"),
        labelled("keep-location", File, Studio, "Keep the location"),
        row("checkpoint", Place, Checkpoint { value: true }),
        row("checkpoint-every", Place, Checkpoint { value: true }),
        row("resume", Place, Checkpoint { value: false }),
        row("memory", Machine, Batch),
        // Of the objective.
        row("preset", Picture, Studio),
        labelled("style-loss", Picture, Studio, "Style statistics"),
        row("strength", Picture, Studio),
        row("finish", Picture, Studio),
        row("content-layers", Picture, Studio),
        row("style-layers", Picture, Studio),
        row("content-weight", Picture, Studio),
        row("style-weight", Picture, Studio),
        labelled("tv-weight", Picture, Studio, "Smoothness weight"),
        // Of the network.
        row("weights", Picture, Batch),
        labelled("pool", Picture, Studio, "Pooling"),
        row("conv", Picture, Batch),
        row("threads", Machine, Batch),
        // Of plans alone.
        row("json", Talk, One),
        row("help", Talk, One),
    ]
};

/// The row of an option.
fn of(name: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.name == name)
}

/// Whether every iteration depends on an option, or the file that is written does.
pub(super) fn is_recorded(name: &str) -> bool {
    of(name).is_none_or(|row| matches!(row.affects, Affects::Picture | Affects::File))
}

/// Whether a run may be continued with another value of an option: it changes the file that is written, and no iteration.
pub(super) fn may_change(name: &str) -> bool {
    of(name).is_some_and(|row| row.affects == Affects::File)
}

/// Whether an option is about checkpoints, and if so, whether it takes a value.
pub(super) fn checkpoint(name: &str) -> Option<bool> {
    of(name).and_then(|row| if let Scope::Checkpoint { value } = row.scope { Some(value) } else { None })
}

/// Whether an option can be the same for several pictures.
pub(super) fn is_shared(name: &str) -> bool {
    of(name).is_some_and(|row| matches!(row.scope, Scope::Batch | Scope::Studio))
}

/// Whether a job of the studio may have an option: none names a file, and none is about the machine.
#[cfg(feature = "studio")]
pub(super) fn is_offered(name: &str) -> bool {
    of(name).is_some_and(|row| row.scope == Scope::Studio)
}

/// What the studio's page calls an option: its label, or its name in words, as in "Content layers".
#[cfg(feature = "studio")]
pub(super) fn label(name: &str) -> String {
    if let Some(label) = of(name).and_then(|row| row.label) {
        return label.into();
    }
    let words = name.replace('-', " ");
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// The names of all options.
#[cfg(test)]
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    ROWS.iter().map(|row| row.name)
}

//! The table of all options of the commands that run a job: the heading in the help, what the option affects, and how
//! the studio offers it. From it follow the order and the headings of the help, the settings that a picture records,
//! those that must not change when a run continues, those that the pictures of a batch share, and the studio's form.

use clap::{Arg, ArgAction, Command};

/// What an option affects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Affects {
    /// The pixels.
    Picture,
    /// How the pixels are written: the format and the metadata.
    File,
    /// The paths of outputs.
    Place,
    /// Time and memory.
    Machine,
    /// What is printed and shown.
    Talk,
}

/// The other commands that have an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// None: it concerns a single picture.
    One,
    /// None: it concerns the checkpoint of a single run.
    Checkpoint {
        /// Whether the option takes a value.
        value: bool,
    },
    /// `batch`, for all its pictures.
    Batch,
    /// `batch` and the studio, whose page has this widget for it.
    Studio(Widget),
}

/// The widget of an option on the studio's page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Widget {
    /// A box to tick.
    Switch,
    /// A choice among the option's values.
    Choice,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// Text.
    Text,
}

/// One option.
struct Row {
    /// The long name.
    name: &'static str,
    /// What it affects.
    affects: Affects,
    /// The other commands that have it.
    scope: Scope,
    /// Whether `-h` shows it; `--help` shows all options.
    common: bool,
    /// The label on the studio's page; `None` for the name.
    #[cfg_attr(not(feature = "studio"), allow(dead_code))]
    label: Option<&'static str>,
}

const fn row(name: &'static str, affects: Affects, scope: Scope) -> Row {
    Row { name, affects, scope, common: false, label: None }
}

impl Row {
    /// Also shows the option in `-h`.
    const fn common(self) -> Self {
        Self { common: true, ..self }
    }

    /// Sets the label on the studio's page.
    const fn label(self, label: &'static str) -> Self {
        Self { label: Some(label), ..self }
    }
}

/// A heading of the help, and the options under it.
struct Section {
    heading: &'static str,
    rows: &'static [Row],
}

/// The options of `transfer`, `texture` and `invert`, in the order of their help.
const SECTIONS: &[Section] = {
    use Affects::{File, Machine, Picture, Place, Talk};
    use Scope::{Batch, Checkpoint, One, Studio};
    use Widget::{Choice, Integer, Number, Switch, Text};
    &[
        Section {
            heading: "Usual",
            rows: &[
                row("output", Place, One).common(),
                row("size", Picture, Studio(Text)).common(),
                row("strength", Picture, Studio(Number)).common(),
                row("style-size", Picture, Studio(Integer)).common(),
                row("blend", Picture, Studio(Text)).common(),
                row("preset", Picture, Studio(Choice)).common(),
            ],
        },
        Section {
            heading: "Texture",
            rows: &[
                row("example-size", Picture, Batch).common(),
                row("seamless", Picture, Batch).common(),
                row("no-histogram", Picture, Batch),
                row("layers", Picture, Batch),
                row("up-to", Picture, Batch),
            ],
        },
        Section {
            heading: "Inversion",
            rows: &[
                row("layer", Picture, Batch).common(),
                row("repeats", Picture, Batch).common(),
                row("jitter", Picture, Batch),
                row("channels", Picture, Batch),
                row("crop", Picture, Batch),
                row("alpha", Picture, Batch),
                row("beta", Picture, Batch),
                row("lambda-alpha", Picture, Batch),
                row("lambda-tv", Picture, Batch),
            ],
        },
        Section {
            heading: "Colour",
            rows: &[
                row("colors", Picture, Studio(Choice)).common(),
                row("color-map", Picture, Studio(Choice)).label("Colour mapping"),
            ],
        },
        Section {
            heading: "Regions",
            rows: &[
                row("content-mask", Picture, Batch).common(),
                row("style-mask", Picture, Batch).common(),
                row("paint-transparent", Picture, Studio(Switch)),
            ],
        },
        Section {
            heading: "Style and content",
            rows: &[
                row("style-loss", Picture, Studio(Choice)).label("Style statistics"),
                row("content-layers", Picture, Studio(Text)),
                row("style-layers", Picture, Studio(Text)),
                row("content-weight", Picture, Studio(Number)),
                row("style-weight", Picture, Studio(Number)),
                row("tv-weight", Picture, Studio(Number)).label("Smoothness weight"),
                row("weights", Picture, Batch),
                row("pool", Picture, Studio(Choice)).label("Pooling"),
                row("edges", Picture, Studio(Choice)).label("Beyond the edges"),
            ],
        },
        Section {
            heading: "Running",
            rows: &[
                row("steps", Picture, Studio(Text)).label("Iterations").common(),
                row("scales", Picture, Studio(Text)),
                row("finish", Picture, Studio(Text)),
                row("init", Picture, Studio(Choice)).label("Start from"),
                row("seed", Picture, Studio(Text)).label("Random seed").common(),
                row("optimizer", Picture, Studio(Choice)).label("Optimiser"),
                row("lr", Picture, Studio(Number)).label("Learning rate"),
                row("clamp", Picture, Studio(Switch)).label("Keep pixels in range"),
                row("no-clamp", Picture, Studio(Switch)).label("Let pixels leave the range"),
                row("tolerance", Picture, Studio(Number)),
                row("average", Picture, Studio(Switch)).label("Average the last pictures"),
                row("threads", Machine, Batch),
                row("conv", Picture, Batch),
            ],
        },
        Section {
            heading: "Output",
            rows: &[
                row("format", File, Batch),
                row("depth", File, Studio(Choice)).label("Bits per colour"),
                row("srgb", File, Studio(Switch)).label("Write sRGB"),
                row("no-metadata", File, Studio(Switch)).label("Leave out metadata"),
                row("keep-location", File, Studio(Switch)).label("Keep the location"),
                row("save-every", Place, Batch),
                row("log", Place, One),
                row("preview", Talk, Batch),
                row("quiet", Talk, Batch),
                row("verbose", Talk, Batch),
                row("json", Talk, One).common(),
                row("help", Talk, One).common(),
            ],
        },
        Section {
            heading: "Checkpoints and memory",
            rows: &[
                row("checkpoint", Place, Checkpoint { value: true }).common(),
                row("checkpoint-every", Place, Checkpoint { value: true }),
                row("resume", Place, Checkpoint { value: false }),
                row("memory", Machine, Batch).common(),
            ],
        },
    ]
};

/// All rows with their headings, in the order of the help.
fn rows() -> impl Iterator<Item = (&'static str, &'static Row)> {
    SECTIONS.iter().flat_map(|section| section.rows.iter().map(|row| (section.heading, row)))
}

/// The row of an option.
fn of(name: &str) -> Option<&'static Row> {
    rows().map(|(_, row)| row).find(|row| row.name == name)
}

/// Arranges the options of a command that runs a job in the order and under the headings of the table; `-h` shows the
/// common ones.
pub(super) fn arranged(command: Command) -> Command {
    let help = Arg::new("help").short('h').long("help").action(ArgAction::Help).help("Print help");
    let command = command.disable_help_flag(true).arg(help.long_help("Print help; -h prints the usual options only"));
    let place = |arg: &Arg| arg.get_long().map(|name| rows().position(|(_, row)| row.name == name));
    let mut args: Vec<Arg> = command.get_arguments().cloned().collect();
    // Positional arguments stay in front.
    args.sort_by_key(place);
    let mut args = args.into_iter().map(|arg| {
        let found = rows().enumerate().find(|(_, (_, row))| arg.get_long() == Some(row.name));
        match found {
            Some((place, (heading, row))) => {
                arg.help_heading(heading).display_order(place).hide_short_help(!row.common)
            }
            None => arg,
        }
    });
    command.mut_args(|arg| args.next().unwrap_or(arg))
}

/// Whether an option affects the picture or its file, so that the picture records it.
pub(super) fn is_recorded(name: &str) -> bool {
    of(name).is_none_or(|row| matches!(row.affects, Affects::Picture | Affects::File))
}

/// Whether a run may continue with another value of an option, since it changes only the file.
pub(super) fn may_change(name: &str) -> bool {
    of(name).is_some_and(|row| row.affects == Affects::File)
}

/// Whether an option of checkpoints takes a value; `None` for other options.
pub(super) fn checkpoint(name: &str) -> Option<bool> {
    of(name).and_then(|row| if let Scope::Checkpoint { value } = row.scope { Some(value) } else { None })
}

/// Whether `batch` has an option.
pub(super) fn is_shared(name: &str) -> bool {
    of(name).is_some_and(|row| matches!(row.scope, Scope::Batch | Scope::Studio(_)))
}

/// The widget of an option on the studio's page; `None` if the studio does not have the option, because it names a file
/// or concerns the machine.
#[cfg(feature = "studio")]
pub(super) fn widget(name: &str) -> Option<Widget> {
    of(name).and_then(|row| if let Scope::Studio(widget) = row.scope { Some(widget) } else { None })
}

/// The label of an option on the studio's page, by default its name in words, as in "Content layers".
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
    rows().map(|(_, row)| row.name)
}

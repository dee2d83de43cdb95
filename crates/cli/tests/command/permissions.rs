//! Protected folders and files of other users: errors are reported before the first step.

#![cfg(unix)]

use std::fs::{Permissions, copy, set_permissions, write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::process::{Command, Output};

use crate::support::{Workshop, copy_program, data};

/// A user who owns nothing.
const NOBODY: u32 = 65534;

/// A workshop for tests that permissions hold back, which they do for everybody but root: root's tests run as nobody.
struct Guarded {
    shop: Workshop,
    is_root: bool,
}

impl Guarded {
    fn new() -> Self {
        let shop = Workshop::new();
        let is_root = shop.folder().metadata().unwrap().uid() == 0;
        copy_program(assert_cmd::cargo::cargo_bin!("impasto"), &shop.path("impasto"));
        copy(data("vgg19-thin.npz"), shop.path("thin.npz")).unwrap();
        std::fs::create_dir(shop.path("folder")).unwrap();
        set_permissions(shop.folder(), Permissions::from_mode(0o755)).unwrap();
        Self { shop, is_root }
    }

    /// Makes `folder` with a file of that mode in it, if any, or none, and paints into it.
    fn paints_into(&self, folder: u32, file: Option<u32>) -> Output {
        let set = |name: &str, mode| set_permissions(self.shop.path(name), Permissions::from_mode(mode)).unwrap();
        set("folder", 0o755);
        let _ = std::fs::remove_file(self.shop.path("folder/out.png"));
        if let Some(mode) = file {
            write(self.shop.path("folder/out.png"), "older").unwrap();
            set("folder/out.png", mode);
        }
        set("folder", folder);
        let words = "transfer content.png style.png --size 24 --steps 2 --weights thin.npz -o folder/out.png";
        let mut command = Command::new(self.shop.path("impasto"));
        command.args(words.split(' ')).current_dir(self.shop.folder()).env_clear();
        if self.is_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        let output = command.output().unwrap();
        set("folder", 0o755);
        output
    }

    fn is_painted(&self, folder: u32, file: Option<u32>) {
        let output = self.paints_into(folder, file);
        assert!(output.status.success(), "{folder:o} {file:?}: {output:?}");
        assert!(image::open(self.shop.path("folder/out.png")).is_ok(), "{folder:o} {file:?}");
    }

    fn is_refused(&self, folder: u32, file: Option<u32>) {
        let output = self.paints_into(folder, file);
        let told = String::from_utf8_lossy(&output.stderr);
        let case = format!("{folder:o} {file:?}: {told}");
        assert_eq!(output.status.code(), Some(1), "{case}");
        assert!(told.starts_with("error: cannot write the picture folder/out.png: "), "{case}");
        // Before the first step: no progress and no picture elsewhere.
        assert_eq!(told.lines().count(), 1, "{case}");
        assert!(!told.contains("the picture is in"), "{case}");
        if file.is_some() {
            assert_eq!(std::fs::read(self.shop.path("folder/out.png")).unwrap(), b"older", "{case}");
        }
        let left: Vec<_> = self.shop.path("folder").read_dir().unwrap().collect();
        assert_eq!(left.len(), usize::from(file.is_some()), "{case}");
    }
}

#[test]
fn a_folder_that_takes_no_new_files() {
    let guarded = Guarded::new();
    guarded.is_refused(0o555, None);
    guarded.is_refused(0o555, Some(0o444));
    // In place, as it cannot be replaced.
    guarded.is_painted(0o555, Some(0o666));
}

/// As `/tmp` is: anybody may add files, and only their owners replace them.
#[test]
fn a_folder_where_files_belong_to_their_owners() {
    let guarded = Guarded::new();
    guarded.is_painted(0o1777, None);
    guarded.is_painted(0o1777, Some(0o666));
    // A file of one's own that is protected stays; so does a file of somebody else.
    guarded.is_refused(0o1777, Some(0o444));
    if guarded.is_root {
        guarded.is_refused(0o1777, Some(0o644));
    }
}

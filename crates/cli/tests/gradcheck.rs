//! The command `impasto gradcheck`, as its users see it.

use std::path::Path;
#[cfg(target_os = "linux")]
use std::path::PathBuf;
use std::time::{Duration, Instant};

use assert_cmd::Command;
use impasto::Preset;
use impasto::gradcheck::{GradCheck, TapeCheck, registry};
use impasto::objective::style_transfer;
use impasto::vgg::{Layer, Vgg19, Weights};
use ndarray::Array3;
use predicates::prelude::*;

/// Long enough for a loaded machine.
const PATIENCE: Duration = Duration::from_secs(600);

fn gradcheck() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_impasto"));
    command.arg("gradcheck").timeout(PATIENCE);
    command
}

#[test]
fn a_table_of_the_operations_asked_for() {
    let right = predicate::str::contains("0 wrong").and(predicate::str::contains("at zero"));
    let others = predicate::str::contains("conv2d").not();
    gradcheck().args(["relu", "sum"]).assert().success().stdout(right.and(others));
}

#[test]
fn json_has_an_object_for_each_case() {
    let output = gradcheck().args(["scale", "style_transfer", "--json", "--seed", "7"]).assert().success();
    let cases: serde_json::Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
    let cases = cases.as_array().unwrap();
    assert!(cases.iter().any(|case| case["operation"] == "scale"));
    assert_eq!(cases.iter().filter(|case| case["operation"] == "style_transfer").count(), 25);
    for case in cases {
        assert_eq!(case["right"], true, "{case}");
        assert!(case["compared"].as_u64().unwrap() > 0, "{case}");
        assert!(case["worst_relative_error"].as_f64().unwrap() < 1e-6, "{case}");
    }
}

#[test]
fn an_unknown_operation_is_refused_with_the_known_ones() {
    let message = predicate::str::contains("`konv` is not an operation; there are add, ");
    gradcheck().arg("konv").assert().code(2).stderr(message).stdout("");
}

#[test]
fn the_table_fits_a_terminal_and_has_colours_where_they_are_wanted() {
    for case in registry::cases(0) {
        assert!(case.description.chars().count() <= 48, "{}", case.description);
    }
    let output = |name: &str, value: &str| {
        let output = gradcheck().arg("relu").env_remove("NO_COLOR").env(name, value).assert().success();
        String::from_utf8(output.get_output().stdout.clone()).unwrap()
    };
    let plain = output("NO_COLOR", "1");
    assert!(plain.lines().all(|line| line.chars().count() <= 80) && !plain.contains('\x1b'), "{plain}");
    assert_eq!(output("TERM", "xterm"), plain, "a pipe is no terminal");
    let forced = output("CLICOLOR_FORCE", "1");
    assert!(forced.contains("\x1b[32mright\x1b[0m"), "{forced}");
}

/// `impasto gradcheck --exec` of a command in examples/gradcheck. Without `--every-element` a slow machine would sample.
fn exec(command: &str) -> Command {
    let mut gradcheck = gradcheck();
    gradcheck.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/gradcheck"));
    gradcheck.args(["--every-element", "--timeout", "600", "--exec", command]);
    gradcheck
}

/// Whether a command is there and succeeds; says so if not, for what follows is skipped.
fn runs(command: &str, arguments: &[&str]) -> bool {
    let runs = std::process::Command::new(command).args(arguments).output().is_ok_and(|output| output.status.success());
    if !runs {
        println!("skipped: `{command} {}` does not run here", arguments.join(" "));
    }
    runs
}

#[test]
fn a_program_in_python_is_checked() {
    if runs("python3", &["--version"]) {
        exec("python3 my_loss.py").assert().success().stdout(predicate::str::starts_with("right: 3 slopes agree, "));
    }
}

#[test]
fn a_program_with_numpy_is_checked_and_its_errors_are_drawn() {
    if !runs("python3", &["-c", "import numpy"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("errors.png");
    let report = exec("python3 numpy_layer.py").args(["--json", "--seed", "3"]).assert().success();
    let report: serde_json::Value = serde_json::from_slice(&report.get_output().stdout).unwrap();
    assert_eq!((&report["verdict"], &report["compared"]), (&"right".into(), &(24 * 66).into()));
    assert_eq!(report["shapes"], serde_json::json!([[4, 6], [6, 6], [6]]));
    let matrices = exec("python3 numpy_matrices.py").assert().success();
    matrices.stdout(predicate::str::starts_with("right: 9 slopes agree, "));
    let wrong = exec("python3 numpy_layer.py --transposed").arg("--picture").arg(&picture).assert().code(1);
    wrong.stdout(
        predicate::str::starts_with("wrong gradient: ")
            .and(predicate::str::contains("  w[").and(predicate::str::contains("the gradient of w is transposed"))),
    );
    let drawn = image::open(&picture).unwrap().to_rgb8();
    // W stands second; it is right on its diagonal alone.
    let bright = |pixel: &&image::Rgb<u8>| pixel[1] > 200 && pixel[2] < 200;
    assert!(drawn.pixels().filter(bright).count() > 30 * 32 * 32 * 9 / 10, "{:?}", drawn.dimensions());
}

#[test]
fn a_program_in_c_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("loss");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/gradcheck/loss.c");
    if runs("cc", &["-O2", "-o", program.to_str().unwrap(), source, "-lm"]) {
        let command = shlex::try_quote(program.to_str().unwrap()).unwrap().into_owned();
        exec(&command).assert().success().stdout(predicate::str::starts_with("right: 4 slopes agree, "));
    }
}

#[test]
fn a_program_in_r_is_checked() {
    if runs("Rscript", &["--version"]) {
        exec("Rscript loss.R").assert().success().stdout(predicate::str::starts_with("right: 2 slopes agree, "));
    }
}

/// A program in the language of the shell whose answers to the three questions are commands.
#[cfg(unix)]
fn script(folder: &Path, inputs: &str, value: &str, gradient: &str) -> String {
    let text = format!(
        "while read -r question; do case $question in\n*'\"ask\":\"inputs\"'*) {inputs};;\n*'\"ask\":\"value\"'*) {value};;\n*) \
         {gradient};;\nesac; done\n"
    );
    let path = folder.join("program.sh");
    std::fs::write(&path, text).unwrap();
    format!("sh {}", path.display())
}

#[test]
#[cfg(unix)]
fn programs_that_fail_get_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = r#"echo '{"inputs":[[1.0,2.0]]}'"#;
    let value = r#"echo '{"value":3.0}'"#;
    let gradient = r#"echo '{"gradient":[[0.0,0.0]]}'"#;
    let right = exec(&script(folder.path(), inputs, value, gradient)).assert().success();
    right.stdout(predicate::str::starts_with("right: 2 slopes agree"));
    for (what, [inputs, value, gradient], said) in [
        ("ends at once", ["exit 7", value, gradient], "ended (exit status: 7) before it answered \"inputs\""),
        ("ends later", [inputs, value, "exit 1"], "ended (exit status: 1) before it answered \"gradient\""),
        ("is killed", [inputs, "kill -9 $$", gradient], "ended (signal: 9 (SIGKILL)) before it answered \"value\""),
        ("chats", ["echo Loading the data", value, gradient], "with `Loading the data`, which is not JSON"),
        ("answers something else", [inputs, "echo '{\"loss\":3}'", gradient], "a line as {\"value\": …} was expected"),
        ("says why", [inputs, "echo '{\"error\":\"no GPU\"}'", gradient], "cannot answer \"value\": no GPU"),
        ("has no inputs", ["echo '{\"inputs\":[]}'", value, gradient], "inputs are [], where a list of one or more"),
        ("has NaN inputs", ["echo '{\"inputs\":[NaN]}'", value, gradient], "has NaN or an infinity in it"),
        ("gives words", [inputs, "echo '{\"value\":\"3\"}'", gradient], "value has \"3\" in it, which is not a number"),
        (
            "gives other shapes",
            [inputs, value, "echo '{\"gradient\":[[1,2,3]]}'"],
            "has shape [3], where [2] was expected",
        ),
        (
            "gives too few",
            [inputs, value, "echo '{\"gradient\":[]}'"],
            "is not a list with one array for each of the inputs (1)",
        ),
    ] {
        let failed = exec(&script(folder.path(), inputs, value, gradient)).assert().code(4).stdout("");
        let text = String::from_utf8_lossy(&failed.get_output().stderr).into_owned();
        let paragraph = text.starts_with("error: ") && text.trim_end().lines().count() == 1;
        assert!(paragraph && text.contains(said), "a program that {what}: {text}");
    }
    for (what, [value, gradient], said) in [
        ("gives NaN", ["echo '{\"value\":NaN}'", gradient], "wrong: the value is NaN at the given inputs\n"),
        (
            "has NaN slopes",
            [value, "echo '{\"gradient\":[[0,nan]]}'"],
            "wrong: the gradient that was given for input 0 is NaN at [1]",
        ),
        ("is wrong", [value, "echo '{\"gradient\":[[0,1]]}'"], "wrong gradient: 1 of 2 slopes\n"),
    ] {
        let failed = exec(&script(folder.path(), inputs, value, gradient)).assert().code(1).stderr("");
        let text = String::from_utf8_lossy(&failed.get_output().stdout).into_owned();
        assert!(text.starts_with(said) && text.lines().all(|line| line.chars().count() <= 80), "{what}: {text}");
    }
}

/// Checks a program that never answers "value", and returns the number of a process that it has written into a file by
/// then. A slow machine may need more time even for what is answered, so the time limit is doubled until it is enough.
#[cfg(unix)]
fn pid_when_late(command: &str, pid: &Path) -> String {
    for seconds in ["0.5", "1", "2", "4", "8", "16", "32", "64"] {
        let failed = gradcheck().args(["--timeout", seconds, "--exec", command]).assert().code(4);
        let said = text(&failed.get_output().stderr);
        let pid = std::fs::read_to_string(pid).unwrap_or_default();
        if said.contains("did not answer \"inputs\"") || !pid.ends_with('\n') {
            continue;
        }
        let late = format!("did not answer \"value\" within {seconds} s; if it needs longer");
        assert!(said.contains(&late), "{said}");
        return pid;
    }
    panic!("the program never gets as far as \"value\"");
}

#[test]
#[cfg(unix)]
fn a_program_that_hangs_is_ended() {
    let folder = tempfile::tempdir().unwrap();
    let hangs = format!("echo $$ > {}; exec sleep 1000", folder.path().join("pid").display());
    let command = script(folder.path(), "echo '{\"inputs\":[1.0]}'", &hangs, "");
    let pid = pid_when_late(&command, &folder.path().join("pid"));
    assert!(!Path::new("/proc").join(pid.trim()).exists(), "{pid} is still there");
}

/// A program that starts another and waits for it, when it is asked for the value; and the file for the number of that one.
#[cfg(target_os = "linux")]
fn waits_for_another(folder: &Path) -> (String, PathBuf) {
    let pid = folder.join("pid");
    let waits = format!("sleep 1000 & echo $! > {}; wait", pid.display());
    (script(folder, "echo '{\"inputs\":[1.0]}'", &waits, ""), pid)
}

/// Whether a process is there, and no zombie, long after it was sent a signal.
#[cfg(target_os = "linux")]
fn is_alive(pid: &str) -> bool {
    let alive = || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z'))
    };
    let begin = Instant::now();
    while alive() && begin.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(10));
    }
    alive()
}

#[test]
#[cfg(target_os = "linux")]
fn what_a_program_has_started_is_ended_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let (command, pid) = waits_for_another(folder.path());
    let pid = pid_when_late(&command, &pid);
    assert!(!is_alive(pid.trim()), "{pid} is still there");
}

#[test]
#[cfg(target_os = "linux")]
fn ctrl_c_ends_the_program_and_what_it_has_started() {
    let folder = tempfile::tempdir().unwrap();
    let (command, pid) = waits_for_another(folder.path());
    let mut gradcheck = std::process::Command::new(env!("CARGO_BIN_EXE_impasto"));
    let running =
        gradcheck.args(["gradcheck", "--exec", &command]).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let begin = Instant::now();
    let other = loop {
        match std::fs::read_to_string(&pid) {
            Ok(pid) if pid.ends_with('\n') => break pid,
            _ => assert!(begin.elapsed() < PATIENCE, "the program starts no other"),
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let interrupt = std::process::Command::new("kill").args(["-INT", &running.id().to_string()]).status();
    assert!(interrupt.unwrap().success());
    let output = running.wait_with_output().unwrap();
    assert_eq!((output.status.code(), &output.stderr[..]), (Some(130), &b""[..]));
    assert!(!is_alive(other.trim()), "{other} is still there");
}

#[test]
fn what_cannot_be_started_is_told() {
    let message = "error: cannot start the program `no-such-program`: ";
    exec("no-such-program --fast").assert().code(4).stdout("").stderr(predicate::str::starts_with(message));
    exec("'").assert().code(4).stderr(predicate::str::contains("is not a command"));
    gradcheck().args(["relu", "--exec", "x"]).assert().code(2);
    exec("x").args(["--picture", "x.docx"]).assert().code(2).stdout("").stderr(predicate::str::contains("x.docx"));
    gradcheck().args(["--picture", "x.png"]).assert().code(2).stderr(predicate::str::contains("--exec"));
}

#[test]
#[cfg(unix)]
fn kinks_have_an_exit_code_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    // |x| at 0: the sign of a number may be left out.
    let value = r#"x=${question##*"["}; x=${x%%"]"*}; x=${x#-}; echo "{\"value\":$x}""#;
    let command = script(folder.path(), "echo '{\"inputs\":[[0.0]]}'", value, "echo '{\"gradient\":[[0.5]]}'");
    exec(&command).assert().code(3).stdout(predicate::str::starts_with("not differentiable here: 1 of 1 slopes"));
    let accepted = exec(&command).arg("--subgradients").assert().success();
    accepted.stdout(predicate::str::starts_with("right, at a kink: "));
}

/// As large as it gets: all channels of VGG19, 20 million weights, in f64.
#[test]
#[ignore = "takes half a minute and 1 GB; run with --ignored"]
fn the_objective_on_the_whole_network() {
    let last: Layer = "relu5_1".parse().unwrap();
    let network = Vgg19::<f64>::new(Weights::random(1, Some(last)));
    let image = |phase: f64| {
        Array3::from_shape_fn((35, 33, 3), |(i, j, c)| (phase + (i * i + 3 * j) as f64 * 0.37 + c as f64).sin())
    };
    let recipe = Preset::default().recipe(false);
    let transfer = style_transfer(&recipe, &network, image(0.0), vec![(image(1.0), 1.0)]).unwrap();
    let report = GradCheck::new()
        .directions(2)
        .rtol(1e-6)
        .check(|_, x| transfer.evaluate(&network, &x[0], &x[0]).unwrap().scaled, &[image(2.0).into_dyn()])
        .unwrap();
    println!("{report}, {} evaluations", report.evaluations);
    assert!(report.operations > 25, "{report:?}");
}

/// `impasto gradcheck --exec` of a program in Python, of which a slow machine compares every element, too.
fn python(folder: &Path, program: &str) -> Command {
    let mut gradcheck = python_in_time(folder, program);
    gradcheck.arg("--every-element");
    gradcheck
}

/// The same without this option. The program stands beside the helper.
fn python_in_time(folder: &Path, program: &str) -> Command {
    let helper = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/gradcheck/impasto_gradcheck.py");
    std::fs::copy(helper, folder.join("impasto_gradcheck.py")).unwrap();
    std::fs::write(folder.join("program.py"), program).unwrap();
    let mut gradcheck = gradcheck();
    gradcheck.current_dir(folder).args(["--exec", "python3 program.py"]);
    gradcheck
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn many_points_are_asked_for_at_once_and_errors_around_the_point_are_not_defined_there() {
    if !runs("python3", &["--version"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let program = "
import math
from impasto_gradcheck import serve

def f(w, b):
    print('a stray line')
    # math.sqrt raises an exception below 0.
    return math.sqrt(w[0] - 1) + b * w[1]

def g(w, b):
    return {'w': [FACTOR * 0.5 / math.sqrt(w[0] - 1), b], 'b': w[1]}

serve(f, g, {'w': [1.0000001, 2.0], 'b': 3.0})
";
    let right = python(folder.path(), &program.replace("FACTOR", "1.0")).assert().success();
    assert!(text(&right.get_output().stdout).starts_with("right: 3 slopes agree, "));
    let wrong = python(folder.path(), &program.replace("FACTOR", "1.3")).assert().code(1);
    assert!(text(&wrong.get_output().stdout).contains("  w[0] "), "{wrong}");
    let explained =
        python(folder.path(), &program.replace("FACTOR", "1.0")).args(["--explain", "w[0]"]).assert().success();
    let rows = text(&explained.get_output().stdout);
    assert!(rows.contains("not defined") && rows.contains("believed") && rows.contains("analytic 1.58"), "{rows}");
    python(folder.path(), &program.replace("FACTOR", "1.0")).args(["--explain", "w[9]"]).assert().code(2);
}

#[test]
fn a_program_that_breaks_has_an_exit_code_of_its_own_and_json() {
    if !runs("python3", &["--version"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let program = "
import sys
from impasto_gradcheck import serve

calls = 0

def f(x):
    global calls
    calls += 1
    if calls > 5:
        sys.exit(3)
    return x * x

serve(f, lambda x: 2 * x, [1.5])
";
    let broken = python(folder.path(), program).arg("--json").assert().code(4);
    let json: serde_json::Value = serde_json::from_slice(&broken.get_output().stdout).unwrap();
    assert_eq!((&json["verdict"], &json["right"]), (&"broken".into(), &false.into()), "{json}");
    assert!(json["failure"].as_str().unwrap().contains("ended (exit status: 3) before it answered"), "{json}");
}

#[test]
fn hints_say_what_the_errors_have_in_common() {
    if !runs("python3", &["--version"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for (gradient, said) in [
        ("[-c for c in right]", "all slopes have the wrong sign"),
        ("[c / 4 for c in right]", "divided by 4, the number of the input's elements"),
        ("right[1:] + right[:1]", "the gradient of input 0 is shifted by 1 place"),
        ("[c * (1 + 2e-6 + 1e-6 * i) for i, c in enumerate(right)]", "a solver's tolerance?"),
        ("[struct.unpack('f', struct.pack('f', c))[0] for c in right]", "is it computed in f32?"),
    ] {
        let program = format!(
            "
import math, struct
from impasto_gradcheck import serve

def g(x):
    right = [i * math.cos(i * c) + 0.3 for i, c in enumerate(x, 1)]
    return {gradient}

serve(lambda x: sum(math.sin(i * c) + 0.3 * c for i, c in enumerate(x, 1)), g, [[0.1, 0.7, 1.3, 2.2]])
"
        );
        let wrong = python(folder.path(), &program).assert().code(1);
        let report = text(&wrong.get_output().stdout);
        assert!(report.split_whitespace().collect::<Vec<_>>().join(" ").contains(said), "{gradient}: {report}");
    }
}

#[test]
fn each_input_has_a_line_and_tiny_factors_are_told() {
    if !runs("python3", &["--version"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let program = "
from impasto_gradcheck import serve

def g(a, b):
    size = sum(y ** 3 for row in b for y in row)
    return {'a': [2 * x * size * FACTOR for x in a],
            'b': [[3 * b[j][i] ** 2 * sum(x * x for x in a) for j in range(3)] for i in range(3)]}

def f(a, b):
    return sum(x * x for x in a) * sum(y ** 3 for row in b for y in row)

serve(f, g, {'a': [0.3, 1.2, -0.7], 'b': [[0.4, 1.0, -0.2], [0.7, 0.9, 1.5], [-1.1, 0.6, 0.8]]})
";
    let report = |factor: &str| {
        let wrong = python(folder.path(), &program.replace("FACTOR", factor)).assert().code(1);
        text(&wrong.get_output().stdout)
    };
    let transposed = report("1.0");
    assert!(
        transposed.contains("\n  a: right\n  b: 6 of 9 elements wrong; the gradient of b is transposed\n"),
        "{transposed}"
    );
    let both = report("1.00001");
    assert!(
        both.contains("\n  a: 3 of 3 elements wrong; all slopes by a are 1.0000100 times the right ones\n"),
        "{both}"
    );
}

#[test]
fn a_file_that_knows_no_protocol_is_served() {
    if !runs("python3", &["--version"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let serve = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/gradcheck/serve.py");
    let check = |defined: &str| {
        std::fs::write(folder.path().join("function.py"), defined).unwrap();
        let mut command = gradcheck();
        command.current_dir(folder.path()).args(["--exec", &format!("python3 '{serve}' function.py")]);
        command.assert()
    };
    let right =
        check("f = lambda a, b: a ** 3 * b\ngrad = lambda a, b: [3 * a ** 2 * b, a ** 3]\nx = 0.7, 1.3\n").success();
    assert!(text(&right.get_output().stdout).starts_with("right: 2 slopes agree"));
    check("f = lambda x: x ** 3\ngrad = lambda x: 2 * x ** 2\nx = 0.7\n").code(1);
    check("f = lambda x: x ** 3\nx = 0.7\n").code(4).stderr(predicate::str::contains("does not define grad"));
}

#[test]
fn every_operation_leaves_a_remainder_of_a_right_gradient() {
    let right = gradcheck().arg("--taylor").assert();
    let report = text(&right.get_output().stdout);
    assert!(report.ends_with(" cases, 0 wrong\n") && !report.contains("undecided"), "{report}");
    right.success();
}

#[test]
fn the_order_of_the_taylor_remainder_is_2_or_1() {
    let right = gradcheck().args(["--taylor", "mul", "ln"]).assert().success();
    let report = text(&right.get_output().stdout);
    assert!(
        report.contains("2.00 right") && report.contains("remainder  order") && report.contains(" 0 wrong"),
        "{report}"
    );
    gradcheck().args(["--taylor", "mul", "--rtol", "1e-6"]).assert().code(2);
    if !runs("python3", &["--version"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let program = "
import math
from impasto_gradcheck import serve

serve(lambda w, b: math.sin(w[0]) * w[1] + b ** 3,
      lambda w, b: {'w': [math.cos(w[0]) * w[1], math.sin(w[0])], 'b': FACTOR * b ** 2}, {'w': [0.3, 1.2], 'b': 0.7})
";
    let exec = |factor: &str, code: i32, option: &str| {
        let mut command = python_in_time(folder.path(), &program.replace("FACTOR", factor));
        text(&command.args(["--taylor", option]).assert().code(code).get_output().stdout)
    };
    let report = exec("3", 0, "--seed=0");
    assert!(report.starts_with("w: order 2.0") && report.contains("\nb: order 2.0"), "{report}");
    let report = exec("3.3", 1, "--seed=0");
    assert!(report.contains("\nb: order 1.00, wrong"), "{report}");
    let json: serde_json::Value = serde_json::from_str(&exec("3.3", 1, "--json")).unwrap();
    assert_eq!((&json["verdict"], &json["tables"][0]["verdict"]), (&"wrong".into(), &"right".into()));
    assert!((json["order"].as_f64().unwrap() - 1.0).abs() < 0.05, "{json}");
}

#[test]
fn integers_and_nothing_are_not_differentiated_and_a_hessian_is_checked() {
    if !runs("python3", &["-c", "import numpy"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let program = "
import numpy as np
from impasto_gradcheck import serve

def f(x, labels, nothing):
    return (x[labels] ** 3).sum() + nothing.sum()

def g(x, labels, nothing):
    slopes = np.zeros_like(x)
    np.add.at(slopes, labels, 3 * x[labels] ** 2)
    return [slopes, nothing]

def product(x, labels, nothing, v):
    slopes = np.zeros_like(x)
    np.add.at(slopes, labels, FACTOR * x[labels] * v[0][labels])
    return [slopes, nothing]

serve(f, g, [np.array([0.3, 1.2, -0.7]), np.array([0, 2, 2]), np.zeros(0)], product)
";
    let right = python(folder.path(), &program.replace("FACTOR", "6")).assert().success();
    let output = right.get_output();
    assert!(
        text(&output.stderr).contains("input 1 is not differentiated: it has no gradient"),
        "{}",
        text(&output.stderr)
    );
    assert!(text(&output.stderr).contains("input 2 is not differentiated: it has no elements"));
    assert!(text(&output.stdout).contains("Hessian-vector product: right: "), "{}", text(&output.stdout));
    let wrong = python(folder.path(), &program.replace("FACTOR", "3")).assert().code(1);
    assert!(text(&wrong.get_output().stdout).contains("Hessian-vector product: wrong gradient: "));
}

#[test]
fn evaluations_that_differ_say_by_how_much_and_f32_is_suggested() {
    if !runs("python3", &["-c", "import numpy"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let noisy = "
import random
from impasto_gradcheck import serve

serve(lambda x: x[0] ** 2 * x[1] * (1 + 1e-13 * random.random()), lambda x: [2 * x[0] * x[1], x[0] ** 2], [[1.5, 0.7]])
";
    let differ = python(folder.path(), noisy).assert().code(1);
    assert!(text(&differ.get_output().stdout).contains("--nondeterminism 1e-12 accepts it"), "{differ}");
    python(folder.path(), noisy).args(["--nondeterminism", "1e-12"]).assert().success();
    let single = "
import numpy as np
from impasto_gradcheck import serve

f = lambda x: np.sin(x.astype(np.float32)).sum()
serve(f, lambda x: np.cos(x.astype(np.float32)), [np.array([0.3, 1.1, 2.0])])
";
    let coarse = python(folder.path(), single).assert().code(3);
    assert!(text(&coarse.get_output().stdout).contains("give --f32"), "{coarse}");
    python(folder.path(), single).arg("--f32").assert().success();
}

#[test]
fn symmetric_matrices_rotations_and_bases_move_as_they_may() {
    if !runs("python3", &["-c", "import numpy"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // Each function refuses a point off its structure.
    let program = "
import sys
import numpy as np
from impasto_gradcheck import serve

rng = np.random.default_rng(3)
root = rng.normal(size=(4, 4))
S = root @ root.T + np.eye(4)
R = np.linalg.qr(rng.normal(size=(3, 3)))[0]
v = np.array([0.2, 0.3, 0.5])
a, b = rng.normal(size=(3, 3)), rng.normal(size=3)

def f(S, R, v):
    assert np.array_equal(S, S.T) and np.abs(R.T @ R - np.eye(3)).max() < 1e-12 and abs(v.sum() - 1) < 1e-12
    return 2 * np.log(np.diag(np.linalg.cholesky(S))).sum() + (a * R).sum() ** 2 + (R @ b) @ v ** 2

def g(S, R, v):
    # On the structure it is right; the sum of v's gradient is of no account, nor what is symmetric in R's.
    of_R = 2 * (a * R).sum() * a + np.outer(v ** 2, b)
    of_S = np.linalg.inv(S) + np.triu(np.ones((4, 4)), 1) - np.tril(np.ones((4, 4)), -1)
    return [FACTOR * of_S, of_R + R @ np.ones((3, 3)), 2 * v * (R @ b) + 17.0]

serve(f, g, {'S': S, 'R': R, 'v': v}, basis={'S': 'symmetric', 'R': 'rotation', 'v': [[1, -1, 0], [0, 1, -1]]})
";
    let right = python(folder.path(), &program.replace("FACTOR", "1.0")).assert().success();
    assert!(text(&right.get_output().stdout).starts_with("right: 15 slopes agree, "), "{right}");
    let said = text(&right.get_output().stderr);
    for line in ["S moves along 10 directions, `basis of S`", "R moves along 3 directions, `angles of R`"] {
        assert!(said.contains(line), "{said}");
    }
    let wrong = python(folder.path(), &program.replace("FACTOR", "2.0")).assert().code(1);
    let report = text(&wrong.get_output().stdout);
    assert!(report.contains("  basis of S[") && report.contains("all slopes by basis of S are twice"), "{report}");
    let explained = python(folder.path(), &program.replace("FACTOR", "1.0"))
        .args(["--explain", "basis of S[4]"])
        .assert()
        .success();
    assert!(text(&explained.get_output().stdout).contains("believed"), "{explained}");
    for (basis, why) in [
        ("{'S': 'rotation'}", "input `S`: it is said to be a rotation, but its columns"),
        ("{'v': [[1, -1]]}", "input `v`: direction 0 of its basis has shape [2], where [3] was expected"),
        ("{'v': [[1, -1, float('nan')]]}", "input `v`: direction 0 of its basis has NaN"),
        ("{'v': []}", "input `v`: its basis has no directions"),
        ("{'w': 'symmetric'}", "the program gives a basis for `w`, which is none of its inputs"),
        ("{'S': 'low rank'}", "input `S`: its basis is \"low rank\", where \"symmetric\", \"rotation\" or a list"),
    ] {
        let (start, _) = program.split_at(program.find("basis={").unwrap());
        let refused =
            python(folder.path(), &format!("{}basis={basis})", start.replace("FACTOR", "1.0"))).assert().code(4);
        assert!(text(&refused.get_output().stderr).contains(why), "{basis}: {refused}");
    }
}

#[test]
fn along_a_basis_a_hessian_is_checked_and_programs_in_f32_say_so_themselves() {
    if !runs("python3", &["-c", "import numpy"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let program = "
import numpy as np
from impasto_gradcheck import serve

f = lambda S: float(np.trace(S @ S @ S))
g = lambda S: [3 * S @ S]
h = lambda S, v: [FACTOR * (S @ v[0] + v[0] @ S)]
serve(f, g, [np.array([[1.0, 0.3], [0.3, -2.0]])], h, basis=['symmetric'])
";
    let right = python(folder.path(), &program.replace("FACTOR", "3")).assert().success();
    assert!(text(&right.get_output().stdout).contains("Hessian-vector product: right: 9 slopes"), "{right}");
    python(folder.path(), &program.replace("FACTOR", "2")).assert().code(1);
    let single = "
import numpy as np
from impasto_gradcheck import serve

serve(lambda x: np.sin(x).sum(), lambda x: FACTOR * np.cos(x), [np.linspace(0.3, 2.0, 12, dtype=np.float32)])
";
    python(folder.path(), &single.replace("FACTOR", "np.float32(1.0)")).assert().success();
    python(folder.path(), &single.replace("FACTOR", "np.float32(1.01)")).assert().code(1);
}

#[test]
fn where_all_is_wrong_some_elements_are_measured_again() {
    if !runs("python3", &["-c", "import numpy"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let program = "
import sys
import numpy as np
from impasto_gradcheck import serve

calls = 0

def f(x):
    global calls
    calls += 1
    print(calls, file=sys.stderr)
    return float(np.sin(x).sum())

serve(f, lambda x: -np.cos(x), [np.linspace(0.3, 1.2, 400)])
";
    let wrong = python(folder.path(), program).assert().code(1);
    let report = text(&wrong.get_output().stdout);
    assert!(report.starts_with("wrong gradient: 400 of 400 slopes"), "{report}");
    assert!(report.contains("all slopes have the wrong sign"), "{report}");
    let calls: usize = text(&wrong.get_output().stderr).lines().rev().find_map(|line| line.parse().ok()).unwrap();
    // Eight calls for each element, and a careful look at 64 of them.
    assert!(calls < 400 * 12 + 64 * 300, "{calls} calls");
}

#[test]
fn slow_programs_are_sampled_unless_every_element_is_asked_for() {
    if !runs("python3", &["--version"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let program = "
import time
from impasto_gradcheck import serve

slept = 0

def f(x):
    # The first values, by whose time the check is planned, are slow; for the test's sake the others are not.
    global slept
    slept += 1
    time.sleep(0.15 if slept < 9 else 0)
    return sum(c * c for c in x)

serve(f, lambda x: [2 * c for c in x], [[0.01 * i for i in range(1, 200)]])
";
    let sampled = python_in_time(folder.path(), program).arg("--json").assert().success();
    let json: serde_json::Value = serde_json::from_slice(&sampled.get_output().stdout).unwrap();
    let number = json["sampled"].as_u64().unwrap_or_default();
    assert!((1..199).contains(&number) && json["compared"] == number + 8, "{json}");
    let told = python_in_time(folder.path(), program).assert().success();
    let said = text(&told.get_output().stderr);
    assert!(
        said.contains("all 199 elements would take about ") && said.contains("--every-element compares all"),
        "{said}"
    );
    let all = python(folder.path(), program).arg("--json").assert().success();
    let json: serde_json::Value = serde_json::from_slice(&all.get_output().stdout).unwrap();
    assert!(json["compared"] == 199 && json["sampled"].is_null(), "{json}");
}

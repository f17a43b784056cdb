//! An emulation of a deploy: upload, detect, build, launch, a prediction, SIGTERM; and of a job of two tasks.
//!
//! It is no deploy. It does not show Google's builder and its images, the lifecycle around the two scripts, the export
//! of the image, the download of the toolchain (a compiler that is there already is used), nor Cloud Run.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::build::{Build, sysroot};
use super::{deploy, image, procfile, root, stderr, text};

/// Memory that the emulated instance has, in KiB as `ulimit` counts it. That limits addresses, of which a
/// program takes more than it uses.
const MEMORY_KIB: u64 = 512 << 10;

/// KiB that may be resident with the guide's concurrency in use.
const MOST_RESIDENT_KIB: u64 = 150_000_000 / 1024;

/// A launched service: as the lifecycle's launcher does it, on one CPU and with little memory.
struct Launched {
    child: Child,
    port: u16,
    /// From exec to the first connection.
    start: Duration,
}

/// The command that `/cnb/process/NAME` stands for, which the launcher gives to `bash -c`, and no arguments to it.
fn process(build: &Build, name: &str) -> String {
    procfile::command(&fs::read_to_string(build.path("workspace/Procfile")).unwrap(), name).unwrap()
}

/// What the launcher adds to the environment: the layers' programs, and the variables that they have by default.
fn launch_variables(build: &Build) -> Vec<(String, String)> {
    let path = format!("{}:/usr/bin:/bin", build.path("layers/lobule/bin").display());
    build.launch_variables().into_iter().chain([("PATH".to_owned(), path)]).collect()
}

fn launch(build: &Build) -> Launched {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let cpus = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap().trim();
    let cpu = cpus.split([',', '-']).next().unwrap();
    let mut command = build.command("taskset");
    let limited = format!("ulimit -v {MEMORY_KIB} && exec bash -c \"$0\"");
    let began = Instant::now();
    let child = command
        .args(["-c", cpu, "bash", "-c", &limited, &process(build, "web")])
        .envs(launch_variables(build))
        .envs([("PORT", port.to_string()), ("K_SERVICE", "lobule".into()), ("K_REVISION", "lobule-1".into())])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut launched = Launched { child, port, start: Duration::ZERO };
    // Not 127.0.0.1: a service that listens on that alone would not be reached in a container.
    while TcpStream::connect(("127.0.0.2", port)).is_err() {
        assert!(launched.child.try_wait().unwrap().is_none(), "it has ended: {}", launched.log());
        assert!(began.elapsed() < Duration::from_secs(60), "it does not listen");
        thread::sleep(Duration::from_micros(200));
    }
    launched.start = began.elapsed();
    launched
}

impl Launched {
    /// A line of `/proc/PID/status`, in KiB.
    fn kib(&self, key: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        line.trim_matches([':', '\t', ' ']).trim_end_matches(" kB").parse().unwrap()
    }

    /// Posts an image as its plain bytes; the answer's JSON, where it is a good one.
    fn predict(&self, image: &[u8]) -> Value {
        let mut stream = TcpStream::connect(("127.0.0.2", self.port)).unwrap();
        let head = format!(
            "POST /predict HTTP/1.1\r\nHost: lobule\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            image.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(image).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    }

    /// Sends SIGTERM, as Cloud Run does ten seconds before SIGKILL; how long it took, and the log.
    fn stop(mut self) -> (Duration, String) {
        let began = Instant::now();
        let kill = Command::new("bash").args(["-c", &format!("kill -TERM {}", self.child.id())]).status().unwrap();
        assert!(kill.success());
        let log = self.log();
        let status = self.child.wait().unwrap();
        assert_eq!(status.code(), Some(0), "{log}");
        (began.elapsed(), log)
    }

    /// The log until the end.
    fn log(&mut self) -> String {
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        log
    }
}

impl Drop for Launched {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Puts the compiler where a user without rights finds it, as links where the file system can.
fn lend_compiler(to: &Path) {
    let copy = |how: &str| Command::new("cp").arg(how).arg(sysroot()).arg(to).stderr(Stdio::null()).status().unwrap();
    assert!(copy("-rl").success() || copy("-rf").success(), "the compiler cannot be copied");
}

#[test]
#[ignore = "needs minutes to compile the service-only build, and the crates from the network"]
fn from_the_upload_to_a_prediction() {
    let mut build = Build::new();
    let compiler = build.path("tools/compiler");
    lend_compiler(&compiler);
    build.drop_privileges();

    assert_eq!(build.run("detect", &[]).status.code(), Some(0));
    let built = build.run("build", &[("LOBULE_CARGO", &compiler.join("bin/cargo"))]);
    println!("{}", String::from_utf8_lossy(&built.stdout));
    assert!(built.status.success(), "{}", stderr(&built));
    image::check(&build).unwrap_or_else(|error| panic!("{error}"));
    build.keep_launch_layers();

    let here = predicted_here();
    let image = fs::read(root().join("tests/fixtures/tissue.png")).unwrap();
    let starts: Vec<_> = (0..10)
        .map(|_| {
            let launched = launch(&build);
            let start = launched.start;
            // The port is bound when the model is loaded, so the first request is answered like any other.
            assert_eq!(launched.predict(&image)["label"], here["label"]);
            launched.stop();
            start
        })
        .collect();
    println!("from exec to the bound port: {starts:?}");

    let launched = launch(&build);
    let answer = launched.predict(&image);
    let probability = |answer: &Value| answer["probability_malignant"].as_f64().unwrap();
    assert!((probability(&answer) - probability(&here)).abs() < 1e-3, "{answer}");
    let idle = launched.kib("VmRSS");
    let concurrency = deploy::concurrency(&text(deploy::PAGE)).unwrap();
    thread::scope(|scope| {
        for _ in 0..concurrency {
            scope.spawn(|| (0..10).for_each(|_| assert_eq!(launched.predict(&image)["label"], here["label"])));
        }
    });
    let busy = launched.kib("VmHWM");
    println!("resident: {idle} KiB idle, {busy} KiB at most with {concurrency} requests at a time");
    assert!(busy <= MOST_RESIDENT_KIB, "{busy} KiB");

    archive(&build);

    let (took, log) = launched.stop();
    println!("SIGTERM to the end: {took:?}");
    assert!(took < Duration::from_secs(10));
    for line in log.lines() {
        let entry: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert!(entry["severity"].is_string(), "{line}");
    }
}

/// A job of two tasks over a folder of three images and a broken one, and what both leave joined.
fn archive(build: &Build) {
    let (images, answers) = (build.path("home/images"), build.path("home/answers"));
    fs::create_dir_all(images.join("b")).unwrap();
    for name in ["a.png", "b/c.png", "b/d.png"] {
        fs::copy(root().join("tests/fixtures/tissue.png"), images.join(name)).unwrap();
    }
    fs::write(images.join("broken.png"), "no image").unwrap();
    fs::create_dir(&answers).unwrap();
    build.give_away(&answers);
    let file = answers.join("execution-1/answers.csv");
    let task = |index: &str, folder: &Path| {
        let mut command = build.command("bash");
        command.args(["-c", &process(build, "archive")]).envs(launch_variables(build)).env("LOBULE_ARCHIVE", folder);
        command.env("LOBULE_ANSWERS", &file).env("CLOUD_RUN_JOB", "lobule").env("CLOUD_RUN_EXECUTION", "execution-1");
        command.env("CLOUD_RUN_TASK_INDEX", index).env("CLOUD_RUN_TASK_COUNT", "2").output().unwrap()
    };
    // The second task is tried again after its end, as by Cloud Run when the machine was lost before it heard of it.
    for index in ["1", "0", "1"] {
        let ended = task(index, &images);
        assert!(ended.status.success(), "{ended:?}");
    }
    let failed = task("1", &build.path("home/nowhere"));
    let log = stderr(&failed);
    let last: Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    assert!(failed.status.code() == Some(1) && last["severity"] == "ERROR", "{log}");
    assert!(last["message"].as_str().unwrap().contains("shard 1/2: cannot read"), "{log}");
    println!("a failed task says: {last}");

    let shards = [0, 1].map(|index| answers.join(format!("execution-1/answers.{index}-of-2.csv")));
    let merged = build.path("home/merged.csv");
    let merge =
        Command::new(env!("CARGO_BIN_EXE_lobule")).args(["merge", "--output"]).arg(&merged).args(shards).output();
    assert!(merge.as_ref().unwrap().status.success(), "{merge:?}");
    let table = fs::read_to_string(merged).unwrap();
    let ends: Vec<&str> = table.lines().map(|row| row.rsplit_once(',').unwrap().1).collect();
    assert_eq!(ends, ["error", "", "", "", "not_an_image"], "{table}");
}

/// What the build with all commands predicts for the same image.
fn predicted_here() -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lobule"));
    command.args(["predict", "--format", "json", "tests/fixtures/tissue.png"]).current_dir(root());
    let predicted: Value = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
    println!("{predicted}");
    predicted
}

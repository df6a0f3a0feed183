//! Floods over HTTP/2 and HTTP/1.1 against a real server, while a bystander goes on calling: every one of its calls succeeds, the attackers'
//! connections end, and the server gives back what they took. Prints the bystander's latency under each flood, relative to its own before.
//!
//! [`frames`]: HTTP/2 by hand. [`attacks`]: the floods. [`bystander`]: the other client.

mod attacks;
mod bystander;
mod frames;

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use self::attacks::{Attack, Report, Target};
use self::bystander::Bystander;
use crate::connections::ticks;
use crate::grpc_raw::edge_setup;
use crate::harness::{Api, print_line};
use crate::watch_slow::resident;

/// How long each flood lasts; `STOREPLANE_FLOOD_SECONDS` sets another time, for figures that mean more.
fn flood_time() -> Duration {
    std::env::var("STOREPLANE_FLOOD_SECONDS")
        .map_or(Duration::from_millis(700), |seconds| Duration::from_secs(seconds.parse().unwrap()))
}

/// What the server may keep of all floods: its allocator's reserve.
const MEMORY_MORE: i64 = 96 * 1024;
/// Descriptors that come and go with its own connections.
const FILES_MORE: usize = 16;

fn open_files(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// Runs an attack in a thread of its own.
fn start(attack: &Attack, target: &Target, stop: CancellationToken) -> std::thread::JoinHandle<Report> {
    let (run, target) = (attack.run, target.clone());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(target, stop))
    })
}

/// A thread that only computes: what any busy neighbour on this machine costs the bystander.
fn compute(stop: &CancellationToken) -> Report {
    let mut rounds = 0_usize;
    while !stop.is_cancelled() {
        rounds = std::hint::black_box(rounds.wrapping_add(1));
    }
    Report::default()
}

fn at(sorted: &[Duration], share: usize) -> f64 {
    sorted
        .get((sorted.len() * share / 100).min(sorted.len().saturating_sub(1)))
        .map_or(f64::NAN, |latency| latency.as_secs_f64() * 1000.0)
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "the phases and the table share what was measured")]
async fn floods_end_and_bystander_is_served() {
    let lab = edge_setup()
        .with("STOREPLANE_CONNECTIONS_FIRST_REQUEST_SECONDS", "5")
        .with("STOREPLANE_CONNECTIONS_REQUEST_BODY_SECONDS", "10")
        .with("STOREPLANE_CONNECTIONS_UNREAD_RESPONSE_SECONDS", "10")
        // For a caller like the bystander. The attacker is one too.
        .with("STOREPLANE_LIMIT_REQUESTS_PER_SECOND", "300")
        .with("STOREPLANE_LIMIT_STREAMS_PER_CALLER", "100")
        .start()
        .await;
    let (to, pid) = (lab.server.address(), lab.server.pid());
    lab.api.create(Api::wanted("tea")).await.unwrap();
    let token = lab.database.token("default", "viewer").await;
    let attacker = lab.database.token("acme", "operator").await;
    Api::connect(to, &attacker).create(Api::wanted("cocoa")).await.unwrap();
    let target = Target { address: to, token: attacker };
    let attacks = attacks::all();
    let phases = attacks.len() + 2;

    let flood = flood_time();
    let bystander = Bystander::start(to, token.clone(), "tea".to_owned());
    tokio::time::sleep(flood / 2).await;
    let (memory, files) = (resident(pid), open_files(pid));
    tokio::time::sleep(2 * flood).await;
    let stop = CancellationToken::new();
    let (computing, until) = (stop.clone(), stop.clone());
    let computing = std::thread::spawn(move || compute(&computing));
    bystander.enter(1);
    tokio::time::sleep(flood).await;
    until.cancel();
    computing.join().unwrap();

    let mut running = Vec::new();
    for (number, attack) in attacks.iter().enumerate() {
        let (stop, cpu) = (CancellationToken::new(), ticks(pid));
        bystander.enter(number + 2);
        let attacking = start(attack, &target, stop.clone());
        tokio::time::sleep(flood).await;
        // Others can still connect.
        let began = Instant::now();
        Api::connect(to, &token).get("tea").await.unwrap_or_else(|status| panic!("{}: {status:?}", attack.name));
        let measured = (ticks(pid) - cpu, resident(pid) >> 10, began.elapsed());
        stop.cancel();
        running.push((attack.name, attacking, measured));
    }
    let (latencies, mut failures) = bystander.stop(phases);

    let quiet = [at(&latencies[0], 50), at(&latencies[0], 99)];
    print_line(&format!(
        "bystander alone: p50 {:.2} ms, p99 {:.2} ms, {} calls",
        quiet[0],
        quiet[1],
        latencies[0].len()
    ));
    print_line(
        "flood                     |    sent | ended | GOAWAY | calls | p50 ratio | p99 ratio | new connection | server CPU | memory",
    );
    let row =
        |name: &str, sent: usize, ended: usize, goaway: usize, of: &[Duration], measured: (u64, i64, Duration)| {
            print_line(&format!(
                "{name:25} | {sent:7} | {ended:5} | {goaway:6} | {:5} | {:9.2} | {:9.2} | {:11} ms | {:8} % | {} MB",
                of.len(),
                at(of, 50) / quiet[0],
                at(of, 99) / quiet[1],
                measured.2.as_millis(),
                measured.0,
                measured.1
            ));
        };
    row("none, a thread computes", 0, 0, 0, &latencies[1], (0, memory >> 10, Duration::ZERO));
    for ((name, attacking, measured), of) in running.into_iter().zip(&latencies[2..]) {
        let report = attacking.join().unwrap();
        let ended = report.received.iter().filter(|received| received.closed).count();
        let goaway = report.received.iter().filter(|received| received.goaway.is_some()).count();
        row(name, report.sent, ended, goaway, of, measured);
        failures.extend(report.failure.map(|failure| format!("{name}: {failure}")));
    }
    assert!(failures.is_empty(), "{failures:#?}");
    let began = Instant::now();
    while open_files(pid) > files + FILES_MORE || resident(pid) > memory + MEMORY_MORE {
        let (now, held) = (resident(pid), open_files(pid));
        assert!(began.elapsed() < Duration::from_mins(1), "{memory} kB became {now} kB, {files} files {held}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    print_line(&format!(
        "memory {} MB before, {} MB after; files {files} and {}",
        memory >> 10,
        resident(pid) >> 10,
        open_files(pid)
    ));
    assert_eq!(lab.api.get("tea").await.unwrap().store_id, "tea");
}

//! What it costs a node to forward a packet of 1,200 bytes to one of N viewers, beside what one
//! seal of it costs. `benches/README.md` tells how to read the table.

use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput};
use farcast_benches::meter::Meter;
use farcast_benches::room::{Memory, Room, TRAIN};
use farcast_core::config::Egress;
use farcast_sim::handshake::Dtls;

const VIEWERS: [usize; 5] = [1, 10, 100, 500, 1_000];
const EGRESSES: [(Egress, &str); 2] = [(Egress::Own, "own"), (Egress::Str0m, "str0m")];
const PACKET: usize = 1_200;
/// Seals that are measured together, so that the clock does not count.
const SEALS: u64 = 100;
/// An RTP header without extensions is authenticated with every packet.
const HEADER: [u8; 12] = [0x80; 12];

/// What was measured of one way to feed a room, a number for each frame.
#[derive(Default)]
struct Row {
    egress: &'static str,
    viewers: usize,
    burst: usize,
    media: Figures,
    rest: Figures,
    seal: Figures,
    packets: u64,
    allocations: usize,
    memory: Memory,
}

/// Nanoseconds per packet.
#[derive(Default)]
struct Figures(Vec<f64>);

impl Figures {
    fn note(&mut self, time: Duration, packets: u64) {
        self.0.push(time.as_nanos() as f64 / packets as f64);
    }

    /// A twentieth of the frames was as cheap. The cheapest ones of all are slips of the clock.
    fn low(&self) -> f64 {
        self.sorted()[self.0.len() / 20]
    }

    fn median(&self) -> f64 {
        self.sorted()[self.0.len() / 2]
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }

    fn mean(&self) -> f64 {
        self.0.iter().sum::<f64>() / self.0.len() as f64
    }
}

/// Seals packets in place, as SRTP does with AES-256-GCM.
struct Sealer {
    key: LessSafeKey,
    packet: Vec<u8>,
    nonce: u64,
}

impl Sealer {
    fn new() -> Sealer {
        let key = UnboundKey::new(&AES_256_GCM, &[7; 32]).expect("a key of 32 bytes");
        Sealer { key: LessSafeKey::new(key), packet: vec![0; PACKET], nonce: 0 }
    }

    fn seal(&mut self) {
        self.nonce += 1;
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&self.nonce.to_be_bytes());
        let (nonce, aad) = (Nonce::assume_unique_for_key(nonce), Aad::from(HEADER));
        let tag = self.key.seal_in_place_separate_tag(nonce, aad, &mut self.packet);
        let _ = std::hint::black_box(tag.expect("a packet is not too long"));
    }
}

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(4))
        .configure_from_args();
    let rows: Vec<Row> = EGRESSES
        .into_iter()
        .flat_map(|egress| VIEWERS.map(|viewers| (egress, viewers)))
        .flat_map(|(egress, viewers)| measure(&mut criterion, egress, viewers))
        .collect();
    criterion.final_summary();
    print(&rows);
}

/// Measures a room; with seals between its frames, so that both see the same machine.
fn measure(
    criterion: &mut Criterion,
    (egress, name): (Egress, &'static str),
    viewers: usize,
) -> Vec<Row> {
    let mut group = criterion.benchmark_group("fanout");
    group.sampling_mode(SamplingMode::Flat);
    group.throughput(Throughput::Elements((TRAIN * viewers) as u64));
    let (meter, mut sealer) = (Meter::new(), Sealer::new());
    let mut room = None;
    let mut rows = Vec::new();
    for burst in [1, TRAIN] {
        let mut row = Row { egress: name, viewers, burst, ..Row::default() };
        let id =
            BenchmarkId::new(format!("{name}, {viewers} viewers"), format!("burst of {burst}"));
        group.bench_function(id, |bencher| {
            let room = room.get_or_insert_with(|| Room::new(viewers, egress, Dtls::Real));
            row.memory = room.memory();
            bencher.iter_custom(|frames| {
                let mut total = Duration::ZERO;
                for _ in 0..frames {
                    let frame = room.frame(burst);
                    if frame.packets == 0 {
                        continue;
                    }
                    let seals = meter.measure(|| (0..SEALS).for_each(|_| sealer.seal()));
                    row.media.note(frame.media.cpu, frame.packets);
                    row.rest.note(frame.rest.cpu, frame.packets);
                    row.seal.note(seals.cpu, SEALS);
                    row.allocations += frame.media.allocations;
                    row.packets += frame.packets;
                    total += frame.media.cpu;
                }
                total
            });
        });
        rows.extend((row.packets > 0).then_some(row));
    }
    rows
}

fn print(rows: &[Row]) {
    if rows.is_empty() {
        return;
    }
    println!("CPU ns of the node per forwarded packet, best twentieth / median of frames\n");
    println!(
        "| egress | viewers | burst | forward | timers, feedback (mean) | one seal | ratio | \
         allocations | kB per viewer: connected / live |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for row in rows {
        let Row { media, rest, seal, memory, .. } = row;
        println!(
            "| {} | {} | {} | {:.0} / {:.0} | {:.0} | {:.0} / {:.0} | {:.1} / {:.1} | {:.2} | {} / \
             {} |",
            row.egress,
            row.viewers,
            row.burst,
            media.low(),
            media.median(),
            rest.mean(),
            seal.low(),
            seal.median(),
            media.low() / seal.low(),
            media.median() / seal.median(),
            row.allocations as f64 / row.packets as f64,
            memory.connected / 1_000,
            memory.live / 1_000,
        );
    }
}
